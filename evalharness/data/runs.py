"""Opens a run directory: manifest, summary, and its samples as Python objects or as a pandas table."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evalharness.data.run_files import SUMMARY, read_completions, read_manifest, read_summary, read_verdicts
from evalharness.data.run_types import Manifest, Speed, Summary
from evalharness.errors import UserError
from evalharness.records import Completion, Verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sample:
    """One sample of a run: the completion that the backend returned, and its verdict."""

    completion: Completion | None
    """None where only the verdict was written."""
    verdict: Verdict | None
    """None for a sample that is not graded."""

    @property
    def task_id(self) -> str:
        """The id of the sample's problem, such as HumanEval/0."""
        return self._task_id_and_sample_id[0]

    @property
    def sample_id(self) -> int:
        """The number of the sample among the samples of its problem, from 0."""
        return self._task_id_and_sample_id[1]

    @property
    def passed(self) -> bool | None:
        """Whether the sample passed; None if it has no verdict."""
        return self.verdict.passed if self.verdict else None

    @property
    def _task_id_and_sample_id(self) -> tuple[str, int]:
        row = self.completion or self.verdict
        assert row is not None
        return row.key


@dataclass(frozen=True)
class Run:
    """An opened run directory. Manifest and summary are in memory; samples are read from the disk at each use."""

    folder: Path
    manifest: Manifest = field(repr=False)
    summary: Summary = field(repr=False)

    @property
    def speed(self) -> Speed:
        """The run's speed, from its summary; empty if no request was timed."""
        return self.summary.get("speed", {})

    @property
    def config(self) -> dict[str, Any]:
        """The run's configuration, from its manifest.

        Any part may be missing if an earlier version of evalharness wrote the run.
        """
        return dict(self.manifest.get("config", {}))

    def completions(self) -> Iterator[Completion]:
        """Yields the run's completions in the order of writing. Raises UserError at a damaged line."""
        return read_completions(self.folder)

    def verdicts(self) -> Iterator[Verdict]:
        """Yields the run's verdicts in the order of writing. Raises UserError at a damaged line."""
        return read_verdicts(self.folder)

    def samples(self) -> Iterator[Sample]:
        """Yields the run's samples, each with completion and verdict, in the order in which completions were written.

        Samples that only have a verdict come last. Raises UserError at a damaged line.
        """
        verdicts = {verdict.key: verdict for verdict in self.verdicts()}
        for completion in self.completions():
            yield Sample(completion, verdicts.pop(completion.key, None))
        for verdict in verdicts.values():
            yield Sample(None, verdict)

    def to_pandas(self) -> "pd.DataFrame":
        """Returns a table with one row per sample: the fields of its completion (without `trace`) and of its verdict.

        Times are in seconds. Values that were not measured are missing (NaN or None), never zero.
        """
        import pandas as pd

        rows = []
        for sample in self.samples():
            completion = asdict(sample.completion) if sample.completion else {}
            verdict = asdict(sample.verdict) if sample.verdict else {}
            completion.pop("trace", None)
            rows.append({**completion, **verdict})
        return pd.DataFrame(rows)


def open_run(folder: Path | str) -> Run:
    """Returns the run in a run directory, finished or not; the summary of an unfinished run is empty.

    Raises UserError if the folder is not a run directory or is damaged.
    """
    folder = Path(folder)
    return Run(folder, read_manifest(folder), read_summary(folder) or cast(Summary, {}))


def load_run(folder: Path | str) -> Run:
    """Returns the finished run in a run directory. Raises UserError if the run is unfinished, damaged or missing."""
    folder = Path(folder)
    manifest, summary = read_manifest(folder), read_summary(folder)
    if summary is None:
        raise UserError(
            f"the run in {folder} is not finished (no {SUMMARY}); finish it with the same command that started it"
        )
    return Run(folder, manifest, summary)
