"""Shows the progress of a run: two bars in a terminal or notebook, plain notes elsewhere."""

import threading
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from evalharness.records import Completion, Verdict


class Progress(Protocol):
    """Receives the events of a run, from any thread."""

    def note(self, text: str) -> None:
        """Receives a remark of one line."""
        ...

    def start(self, total: int, generated: int, graded: int) -> None:
        """Receives the start of a task: its samples, and how many a resumed run has generated and graded."""
        ...

    def generated(self, completion: Completion) -> None:
        """Receives a generated completion."""
        ...

    def graded(self, verdict: Verdict) -> None:
        """Receives the verdict of a graded sample."""
        ...

    def stop(self) -> None:
        """Receives the end of the task."""
        ...


class Silent:
    """Shows nothing."""

    def note(self, text: str) -> None:
        """Ignores the remark."""

    def start(self, total: int, generated: int, graded: int) -> None:
        """Ignores the event."""

    def generated(self, completion: Completion) -> None:
        """Ignores the event."""

    def graded(self, verdict: Verdict) -> None:
        """Ignores the event."""

    def stop(self) -> None:
        """Ignores the event."""


class Shown:
    """Shows bars for generation and grading in a terminal; elsewhere notes alone."""

    def __init__(self, console: Console):
        self.console = console
        self._passed = self._judged = 0
        self._lock = threading.Lock()
        self._bars: ProgressBars | None = None

    def note(self, text: str) -> None:
        """Prints a line above the bars."""
        self.console.print(text, highlight=False)

    def start(self, total: int, generated: int, graded: int) -> None:
        """Shows the bars, starting at what a resumed run has already."""
        self._passed = self._judged = 0
        if not (self.console.is_terminal or self.console.is_jupyter):
            return
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self._bars = ProgressBars(*columns, console=self.console, transient=True)
        self._generation = self._bars.add_task("generated", total=total, completed=generated, text="")
        self._grading = self._bars.add_task("graded", total=total, completed=graded, text="")
        self._bars.start()

    def generated(self, completion: Completion) -> None:
        """Advances the first bar."""
        if self._bars:
            self._bars.advance(self._generation)

    def graded(self, verdict: Verdict) -> None:
        """Advances the second bar and shows the share that passed."""
        with self._lock:
            self._judged += 1
            self._passed += verdict.passed
            text = f"{self._passed / self._judged:.0%} passed"
        if self._bars:
            self._bars.update(self._grading, advance=1, text=text)

    def stop(self) -> None:
        """Removes the bars."""
        if self._bars:
            self._bars.stop()
            self._bars = None
