"""Shows the progress of a run: two bars in a terminal or notebook, notes and regular lines elsewhere."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from evalharness.generation.token_meter import generated_tokens
from evalharness.records import Completion, Verdict
from evalharness.util.visible import escape_control_characters

LINE_INTERVAL_S = 30.0
"""Seconds between lines about progress, where the output is not a terminal."""
REFRESH_INTERVAL_S = 0.25
"""Seconds between updates of the progress bars."""


class Progress(Protocol):
    """Receives the progress of a run: notes, generated completions and verdicts; called from any thread."""

    def note(self, text: str) -> None:
        """Receives a one-line note for the user."""
        ...

    def start(self, total: int, generated: int, graded: int) -> None:
        """Receives the start of a task: its number of samples, and the numbers already generated and graded."""
        ...

    def generated(self, completion: Completion) -> None:
        """Receives a generated completion."""
        ...

    def graded(self, verdict: Verdict) -> None:
        """Receives the verdict of a graded sample."""
        ...

    def stop(self) -> None:
        """Receives the end of a task's run."""
        ...


class SilentProgress:
    """A `Progress` that shows nothing."""

    def note(self, text: str) -> None:
        """Ignores the note."""

    def start(self, total: int, generated: int, graded: int) -> None:
        """Ignores the start of a task."""

    def generated(self, completion: Completion) -> None:
        """Ignores the completion."""

    def graded(self, verdict: Verdict) -> None:
        """Ignores the verdict."""

    def stop(self) -> None:
        """Ignores the end of a task."""


class ProgressCounts:
    """Counts, for one task of a run, the samples generated, graded and passed, and the tokens. Thread-safe."""

    def __init__(self, total: int, generated: int, graded: int):
        self.total, self.generated, self.graded = total, generated, graded
        self._graded_before, self._generated_before = graded, generated
        self._started = time.monotonic()
        self._meter_at_start = generated_tokens.count
        self._passed = self._judged = self._completed_tokens = 0
        self._lock = threading.Lock()

    def add_completion(self, completion: Completion) -> None:
        """Counts a generated completion and its tokens."""
        with self._lock:
            self.generated += 1
            self._completed_tokens += completion.output_tokens or 0

    def add_verdict(self, verdict: Verdict) -> None:
        """Counts a graded sample, and whether it passed."""
        with self._lock:
            self.graded += 1
            if verdict.status != "infrastructure":
                self._judged += 1
                self._passed += verdict.passed

    @property
    def pass_rate_text(self) -> str:
        """The share of graded samples that passed, such as "51 % passed"; "" before the first verdict."""
        return f"{100 * self._passed / self._judged:.0f} % passed" if self._judged else ""

    @property
    def tokens_per_s_text(self) -> str:
        """The speed, such as "120 tokens/s"; includes tokens of unfinished completions. "" before the first token."""
        tokens = max(self._completed_tokens, generated_tokens.count - self._meter_at_start)
        return f"{tokens / self._elapsed_seconds:,.0f} tokens/s" if tokens else ""

    @property
    def _elapsed_seconds(self) -> float:
        return max(time.monotonic() - self._started, 1e-6)

    def progress_line(self) -> str:
        """Returns a line of text with the progress: counts of samples, pass rate, samples/s, tokens/s, time left."""
        completed = self.graded - self._graded_before or self.generated - self._generated_before
        rate = completed / self._elapsed_seconds
        remaining = self.total - (self.graded if self.graded > self._graded_before else self.generated)
        parts = [
            f"{self.generated} of {self.total} generated",
            f"{self.graded} graded",
            self.pass_rate_text,
            f"{rate:.2g} samples/s" if rate < 10 else f"{rate:.0f} samples/s",
            self.tokens_per_s_text,
            f"about {format_duration(remaining / rate)} left" if rate else "time left unknown",
        ]
        return ", ".join(filter(None, parts))


def format_duration(seconds: float) -> str:
    """Returns a time in the largest unit that fits, such as "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class ConsoleProgress:
    """Shows progress bars in a terminal; without a terminal, prints a line every `LINE_INTERVAL_S` seconds."""

    def __init__(self, console: Console):
        self.console = console
        self._counts = ProgressCounts(0, 0, 0)
        self._bars: ProgressBars | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, text: str) -> None:
        """Prints a line above the progress bars."""
        self.console.print(escape_control_characters(text), highlight=False, markup=False)

    def start(self, total: int, generated: int, graded: int) -> None:
        """Shows the progress bars; the existing samples of a resumed run count as done."""
        self._counts = ProgressCounts(total, generated, graded)
        self._stopped = threading.Event()
        in_terminal = self.console.is_terminal or self.console.is_jupyter
        if in_terminal:
            self._show_bars()
        update = self._update_bars if in_terminal else self._print_progress_line
        period_s = REFRESH_INTERVAL_S if in_terminal else LINE_INTERVAL_S
        self._thread = threading.Thread(target=_call_every_period, args=(update, period_s, self._stopped), daemon=True)
        self._thread.start()

    def _show_bars(self) -> None:
        counts = self._counts
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self._bars = ProgressBars(*columns, console=self.console, transient=True)
        self._generation = self._bars.add_task("generated", total=counts.total, completed=counts.generated, text="")
        self._grading = self._bars.add_task("graded", total=counts.total, completed=counts.graded, text="")
        self._bars.start()

    def _update_bars(self) -> None:
        if self._bars:
            self._bars.update(self._generation, completed=self._counts.generated, text=self._counts.tokens_per_s_text)
            self._bars.update(self._grading, completed=self._counts.graded, text=self._counts.pass_rate_text)

    def _print_progress_line(self) -> None:
        self.note(self._counts.progress_line())

    def generated(self, completion: Completion) -> None:
        """Advances the progress of generation by one completion."""
        self._counts.add_completion(completion)

    def graded(self, verdict: Verdict) -> None:
        """Advances the progress of grading by one verdict."""
        self._counts.add_verdict(verdict)

    def stop(self) -> None:
        """Removes the progress bars."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
        if self._bars:
            self._bars.stop()
            self._bars = None


def _call_every_period(action: Callable[[], None], period_s: float, stopped: threading.Event) -> None:
    """Calls a function every `period_s` seconds until the event `stopped` is set."""
    while not stopped.wait(period_s):
        action()
