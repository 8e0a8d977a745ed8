"""Live models of an arena, which generate an answer when a pair is drawn; `live.jsonl` stores their answers."""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalharness.arena.answers import Answer, ShownProblem
from evalharness.arena.entrants import Entrants, ModelPair, ProblemKey
from evalharness.arena.measurements import ModelMeasurements
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.grading import grade_completion
from evalharness.pipeline.store import disk_errors_as_user_errors, remove_incomplete_line, row_to_json
from evalharness.pipeline.validate import PreparedTask, check_prompt_is_supported, prepare_task
from evalharness.records import Backend, Completion, Request, Sampling
from evalharness.report.task_variant import split_task_family_and_language
from evalharness.sandbox.pool import ContainerPool
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.jsonl import parse_json_line, read_complete_lines

LIVE = "live.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveModel:
    """A model that generates its answers while voters wait; answers of other models come from finished runs."""

    label: str
    backend: Backend
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the backend generates, because a backend need not be thread-safe."""

    def generate(self, shown: ShownProblem, sample_id: int, sampling: Sampling) -> Completion:
        """Returns a new completion of a problem by the live model. Raises RequestRefused (HTTP 502) if that fails."""
        with self.lock:
            [completion] = self.backend.generate([Request(shown.problem, sample_id)], sampling)
        if completion.error:
            _log.warning(
                "live model %s failed to answer problem %s: %s", self.label, shown.problem.task_id, completion.error
            )
            raise RequestRefused(
                502,
                "one of the two models, whose names are hidden until the vote, failed to generate an answer; press "
                "Enter to retry",
            )
        return completion


@dataclass
class LiveModels:
    """The live models of an arena (see `LiveModel`), and the file that stores their answers."""

    models: Mapping[str, LiveModel]
    entrants: Entrants
    sampling: Sampling
    path: Path
    sandbox: ContainerPool | None = None
    """The sandbox that grades answers before they are shown; None if they are not graded."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask_live_models(self, problem_key: ProblemKey, model_labels: ModelPair) -> dict[str, Answer]:
        """Asks those of the two models that are live to answer a problem, concurrently.

        Returns the answers by model label. Raises RequestRefused if a model fails to answer.
        """
        live_models = [self.models[model] for model in model_labels if model in self.models]
        with ThreadPoolExecutor(len(live_models)) as pool:
            answers = pool.map(lambda model: self._ask_model(problem_key, model), live_models)
            return {answer.model: answer for answer in answers}

    def _ask_model(self, problem_key: ProblemKey, model: LiveModel) -> Answer:
        """Generates a live model's answer to a problem, grades it if there is a sandbox, stores it and returns it."""
        shown = self.entrants.problems[problem_key]
        completion = model.generate(shown, len(self.entrants.answers(problem_key, model.label)), self.sampling)
        verdict = grade_completion(shown.task, shown.problem, completion, self.sandbox) if self.sandbox else None
        with self._lock:
            number = len(self.entrants.answers(problem_key, model.label))  # another voter may have asked meanwhile
            completion = replace(completion, sample_id=number)
            row = {"model": model.label, "task": problem_key[0], **row_to_json(completion)}
            with disk_errors_as_user_errors(self.path), self.path.open("ab") as file:
                file.write(json.dumps(row).encode() + b"\n")
            answer = shown.make_answer(model.label, completion, verdict)
            self.entrants.add_answer(problem_key, answer)
        return answer

    def enable_grading(self, sandbox: ContainerPool) -> None:
        """Makes `sandbox` grade each new answer before voters see it. The caller closes the sandbox.

        Raises UserError if a sandbox image that the tasks need is not available.
        """
        self.sandbox = sandbox
        sandbox.prepare(sorted({shown.image for shown in self.entrants.problems.values()} - {""}))

    def load_stored_answers(self) -> None:
        """Loads the answers that were stored when the arena ran earlier, so that pairs with them can be shown."""
        remove_incomplete_line(self.path)
        for number, line in read_complete_lines(self.path):
            row = parse_json_line(self.path, number, line)
            try:
                key, model = (row.pop("task"), row["task_id"]), row.pop("model")
                if key in self.entrants.problems and model in self.models:
                    self.entrants.add_answer(key, self.entrants.problems[key].make_answer(model, Completion(**row)))
            except (KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"{self.path}, which stores the answers of live models, has a damaged line {number} ({error}); fix "
                    "or remove the line"
                ) from None

    def close(self) -> None:
        """Closes the backends of the live models, which frees their memory."""
        for model in self.models.values():
            model.backend.close()


def open_live_models(
    backend_models: Sequence[str],
    entrants: Entrants,
    runs: Sequence[Run],
    votes_folder: Path,
    task_name: str,
    data_source: str | None,
    options: Mapping[str, str],
    log: Callable[[str], None],
) -> LiveModels:
    """Loads the live models (see `LiveModel`); adds them, and the problems of the task if one is given, to `entrants`.

    `backend_models` names the models, each as BACKEND:MODEL. Their sampling parameters are those of the task's recipe,
    or without a task those of the first run. Raises UserError if a model cannot be loaded, or for a wrong name or
    option.
    """
    configs = {name: _make_live_model_config(name, task_name, data_source, options) for name in backend_models}
    if task_name:
        prepared = prepare_task(next(iter(configs.values())))
        add_task_problems(entrants, prepared)
        sampling = prepared.sampling
    else:
        sampling = _read_sampling_of_run(runs[0])
    models = {}
    for name, config in configs.items():
        label = (config.model or config.backend).rstrip("/").rsplit("/", 1)[-1]
        label = name if label in entrants.measurements else label
        log(f"loading {name}")
        backend = make_backend(config)
        for shown in entrants.problems.values():
            check_prompt_is_supported(backend, shown.problem.prompt)
        models[label] = LiveModel(label, backend)
        entrants.measurements[label] = ModelMeasurements(family="other", tasks={})
    entrants.live = set(models)
    live = LiveModels(models, entrants, sampling, votes_folder / LIVE)
    live.load_stored_answers()
    return live


def add_task_problems(entrants: Entrants, prepared: PreparedTask) -> None:
    """Adds the problems of a task to the problems that the arena shows to voters."""
    language = split_task_family_and_language(prepared.config.task)[1]
    for problem in prepared.problems.values():
        title = f"{prepared.task.name}, {prepared.context.version.name}"
        shown = ShownProblem(problem, prepared.task, title, language, prepared.context.image)
        entrants.problems.setdefault((title, problem.task_id), shown)


def _make_live_model_config(
    backend_model: str, task_name: str, data_source: str | None, options: Mapping[str, str]
) -> RunConfig:
    """Returns the run configuration of a live model, which `backend_model` gives as BACKEND:MODEL.

    Raises UserError if `backend_model` has another form, or for an option that neither backend nor task uses.
    """
    backend, colon, model = backend_model.partition(":")
    if not colon or not backend:
        raise UserError(
            f"--live {backend_model} is not of the form BACKEND:MODEL; give for example --live openai:qwen2.5-coder"
        )
    config = RunConfig(task=task_name, backend=backend, model=model or None, data=data_source, options=options)
    check_live_model_options(config)
    return config


def check_live_model_options(config: RunConfig) -> None:
    """Raises UserError for an `--option` that neither a live model's backend nor the task uses."""
    unused = {**config.sandbox_options(), **({} if config.task else config.task_options())}
    if unused:
        raise UserError(
            f"--option {min(unused)} has no effect: neither the live model's backend nor the task has this option; "
            "leave it out"
        )
    config.backend_options()


def _read_sampling_of_run(run: Run) -> Sampling:
    recorded = run.config.get("sampling", {})
    default = Sampling()
    return Sampling(
        recorded.get("temperature", default.temperature),
        recorded.get("top_p", default.top_p),
        recorded.get("max_new_tokens", default.max_new_tokens),
        recorded.get("seed", default.seed),
    )
