"""Models that are asked when a pair is drawn. Their answers are kept in `live.jsonl`, next to the votes."""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from evalharness.arena.answers import Answer, ShownProblem
from evalharness.arena.entrants import Entrants, ProblemKey
from evalharness.arena.model_facts import ModelFacts
from evalharness.data.runs import Run
from evalharness.errors import UserError
from evalharness.pipeline.config import RunConfig, make_backend
from evalharness.pipeline.store import disk_errors_as_user_errors, json_row, remove_incomplete_line
from evalharness.pipeline.validate import check_prompt, prepare
from evalharness.records import Backend, Completion, Request, Sampling
from evalharness.report.task_variant import language_of
from evalharness.util.http.refusals import RequestRefused
from evalharness.util.jsonl import complete_lines, parse_line

LIVE = "live.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LiveModel:
    """A model that answers on demand."""

    label: str
    backend: Backend
    lock: threading.Lock = field(default_factory=threading.Lock)
    """A backend answers one request at a time, since it need not be safe for threads."""

    def answer(self, shown: ShownProblem, sample_id: int, sampling: Sampling) -> Completion:
        """Returns the model's completion. Raises RequestRefused where it has none."""
        with self.lock:
            [completion] = self.backend.generate([Request(shown.problem, sample_id)], sampling)
        if completion.error:
            _log.warning("model %s gave no answer to %s: %s", self.label, shown.problem.task_id, completion.error)
            raise RequestRefused(502, "one of the two models gave no answer; press Enter to retry")
        return completion


@dataclass
class LiveModels:
    """The live models of an arena, and the file of their answers."""

    models: Mapping[str, LiveModel]
    entrants: Entrants
    sampling: Sampling
    path: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, key: ProblemKey, models: tuple[str, str]) -> dict[str, Answer]:
        """Returns the answers of the live ones among two models, which are asked at the same time.

        Raises RequestRefused where one of them has none.
        """
        asked = [self.models[model] for model in models if model in self.models]
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = pool.map(lambda model: self._ask(key, model), asked)
            return {answer.model: answer for answer in answers}

    def _ask(self, key: ProblemKey, model: LiveModel) -> Answer:
        shown = self.entrants.problems[key]
        completion = model.answer(shown, len(self.entrants.answers(key, model.label)), self.sampling)
        with self._lock:
            number = len(self.entrants.answers(key, model.label))  # another voter may have asked meanwhile
            completion = replace(completion, sample_id=number)
            row = {"model": model.label, "task": key[0], **json_row(completion)}
            with disk_errors_as_user_errors(self.path), self.path.open("ab") as file:
                file.write(json.dumps(row).encode() + b"\n")
            answer = shown.answer(model.label, completion)
            self.entrants.add(key, answer)
        return answer

    def load_answers(self) -> None:
        """Adds the answers of earlier sessions, so that a pair that waits for its vote can be shown again."""
        remove_incomplete_line(self.path)
        for number, line in complete_lines(self.path):
            row = parse_line(self.path, number, line)
            try:
                key, model = (row.pop("task"), row["task_id"]), row.pop("model")
                if key in self.entrants.problems and model in self.models:
                    self.entrants.add(key, self.entrants.problems[key].answer(model, Completion(**row)))
            except (KeyError, TypeError, AttributeError) as error:
                raise UserError(f"{self.path}, line {number} is damaged ({error}); fix or remove the line") from None

    def close(self) -> None:
        """Frees the models."""
        for model in self.models.values():
            model.backend.close()


def open_live_models(
    names: Sequence[str],
    entrants: Entrants,
    runs: Sequence[Run],
    folder: Path,
    task: str,
    data: str | None,
    options: Mapping[str, str],
    log: Callable[[str], None],
) -> LiveModels:
    """Returns the models, loaded, and adds them and the problems of `task` to the entrants.

    Their sampling is that of the first run, else that of the task's recipe. Raises UserError where a name, an option
    or a model does not fit.
    """
    configs = {name: _config(name, task, data, options) for name in names}
    sampling = add_problems(entrants, next(iter(configs.values()))) if task else _sampling_of(runs[0])
    models = {}
    for name, config in configs.items():
        label = (config.model or config.backend).rstrip("/").rsplit("/", 1)[-1]
        label = name if label in entrants.facts else label
        log(f"loading {name}")
        backend = make_backend(config)
        for shown in entrants.problems.values():
            check_prompt(backend, shown.problem.prompt)
        models[label] = LiveModel(label, backend)
        entrants.facts[label] = ModelFacts(family="other", tasks={})
    entrants.live = set(models)
    live = LiveModels(models, entrants, sampling, folder / LIVE)
    live.load_answers()
    return live


def add_problems(entrants: Entrants, config: RunConfig) -> Sampling:
    """Adds the problems of a task, and returns the sampling of its recipe. Raises UserError where they do not fit."""
    prepared = prepare(config)
    language = language_of(config.task)[1]
    for problem in prepared.problems.values():
        title = f"{prepared.task.name}, {prepared.context.version.name}"
        entrants.problems.setdefault((title, problem.task_id), ShownProblem(problem, prepared.task, title, language))
    return prepared.sampling


def _config(name: str, task: str, data: str | None, options: Mapping[str, str]) -> RunConfig:
    backend, colon, model = name.partition(":")
    if not colon or not backend:
        raise UserError(f"--live {name} is not BACKEND:MODEL; write it such as --live openai:qwen2.5-coder")
    config = RunConfig(task=task, backend=backend, model=model or None, data=data, options=options)
    check_options(config)
    return config


def check_options(config: RunConfig) -> None:
    """Raises UserError for an option that no backend and no task of the arena reads."""
    unused = {**config.sandbox_options(), **({} if config.task else config.task_options())}
    if unused:
        raise UserError(
            f"--option {min(unused)} has no effect here: nothing is graded and no --task is given; remove it"
        )
    config.backend_options()


def _sampling_of(run: Run) -> Sampling:
    known = run.config.get("sampling", {})
    default = Sampling()
    return Sampling(
        known.get("temperature", default.temperature),
        known.get("top_p", default.top_p),
        known.get("max_new_tokens", default.max_new_tokens),
        known.get("seed", default.seed),
    )
