"""What a person sees while a run is under way: two bars on a terminal, plain notes elsewhere."""

import threading
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from evalharness.records import Completion, Verdict


class Progress(Protocol):
    """Told of everything that happens; may be called from any thread."""

    def note(self, text: str) -> None: ...
    def start(self, total: int, generated: int, graded: int) -> None: ...
    def generated(self, completion: Completion) -> None: ...
    def graded(self, verdict: Verdict) -> None: ...
    def stop(self) -> None: ...


class Silent:
    """Says nothing."""

    def note(self, text: str) -> None:
        pass

    def start(self, total: int, generated: int, graded: int) -> None:
        pass

    def generated(self, completion: Completion) -> None:
        pass

    def graded(self, verdict: Verdict) -> None:
        pass

    def stop(self) -> None:
        pass


class Shown:
    """Bars for generation and grading on a terminal; where there is none, notes and nothing else."""

    def __init__(self, console: Console):
        self.console = console
        self.passed = self.total = 0
        self._lock = threading.Lock()
        self._bars: Bars | None = None

    def note(self, text: str) -> None:
        """Prints a line above the bars."""
        self.console.print(text, highlight=False)

    def start(self, total: int, generated: int, graded: int) -> None:
        """Begins the bars at what a resumed run has already."""
        self.passed = self.judged = 0
        self.started_at = time.monotonic()
        if not self.console.is_terminal:
            return
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self._bars = Bars(*columns, console=self.console, transient=True)
        self._generation = self._bars.add_task("generated", total=total, completed=generated, text="")
        self._grading = self._bars.add_task("graded", total=total, completed=graded, text="")
        self._bars.start()

    def generated(self, completion: Completion) -> None:
        """Moves the first bar."""
        if self._bars:
            self._bars.advance(self._generation)

    def graded(self, verdict: Verdict) -> None:
        """Moves the second bar and says how many pass."""
        with self._lock:
            self.judged += 1
            self.passed += verdict.passed
            text = f"{self.passed / self.judged:.0%} passed"
        if self._bars:
            self._bars.update(self._grading, advance=1, text=text)

    def stop(self) -> None:
        """Takes the bars away."""
        if self._bars:
            self._bars.stop()
            self._bars = None
