"""Judges what an entry point returns: other processes run the sample, the judge compares their outputs.

The judge reads the expected outputs only after it has forked the processes that run the sample. It stops a part at its
first wrong output.
"""

from collections.abc import Callable

from ..sample.running import CallOnInputs
from ..shared import wire
from ..shared.messages import CallSettings, CallsJob, CallsSecret, PartResult
from ..shared.outcome import Outcome
from . import cleaning
from .comparing.comparison import Comparison
from .comparing.expected import Expected
from .comparing.outputs import Output, wrong_output
from .references import recompute
from .sample_process import SampleProcess

LATE_S = 0.5
"""Seconds that the output of a call may be late; a program may ignore its own alarm."""


def judge(
    job: CallsJob, read_secret: Callable[[], CallsSecret], uid: int, folder: str
) -> tuple[dict[str, PartResult], bytes]:
    """Returns the results by group of inputs; the bytes are empty. Groups after a failed one are absent."""
    settings, calls = job["settings"], job["calls"]
    processes = {}
    for name, inputs in job["inputs"].items():
        work = CallOnInputs(settings, job["memory_mb"], job["source"], job["entry_point"], inputs, calls["oracle"])
        processes[name] = (work, SampleProcess(work, uid, folder))
    secret = read_secret()
    expected = wire.loads(secret["expected"])
    results: dict[str, PartResult] = {}
    for name, (work, process) in processes.items():
        if any(result["status"] != "passed" for result in results.values()):
            process.stop()
            continue
        calls_of_part = Calls(process, work, expected[name], secret["reference"], folder)
        results[name] = calls_of_part.judge(calls)
        cleaning.clean_between(uid, folder, {later.pid for _, later in processes.values() if not later.ended})
    return results, b""


def time_limits(times: list[float], calls: CallSettings) -> tuple[list[float], float]:
    """Returns the seconds per call and for the part. Source: evalplus/eval/__init__.py `untrusted_check`."""
    limits = [max(calls["min_time_s"], calls["time_factor"] * seconds) for seconds in times]
    return limits, min(calls["max_time_s"], sum(limits)) + 1


class Calls:
    """The calls of one part, in a process that has not started yet, and their expected outputs."""

    def __init__(self, process: SampleProcess, work: CallOnInputs, expected: bytes, reference: str, folder: str):
        self.process, self.work = process, work
        self.expected = Expected(
            expected, lambda index, seconds: recompute(work, reference, index, seconds, process.uid + 1, folder)
        )

    def judge(self, calls: CallSettings) -> PartResult:
        """Returns `passed` if the entry point returned what is expected on each input."""

        def judge() -> PartResult:
            try:
                return self._judge(calls)
            except wire.TooLarge as error:
                return self.process.end(Outcome("failed", f"an output too large to be compared: {error}"))

        return self.process.judged(judge)

    def _judge(self, calls: CallSettings) -> PartResult:
        process, expected = self.process, self.expected
        limits, total_s = time_limits(expected.times(), calls)
        process.go(limits, total_s + 1)
        comparison = Comparison(calls["edition"], calls["oracle"], calls["atol"])
        last_output_s, watched = 0.0, expected.are_small()
        for index in range(len(expected)):
            frame = process.next()
            if frame is None or frame[0] not in b"od":
                return process.finish_early(frame)
            # The first output also waits for the load of the program; outputs of fast calls arrive with a slow one's.
            if index and watched and process.watch.elapsed_s() - last_output_s > max(limits) + LATE_S:
                return process.end(Outcome("timeout", f"input {index}: no output in the time for a call"))
            wrong = wrong_output(process, Output(self.work, index, comparison), frame, expected)
            if wrong:
                return process.end(Outcome(wrong.status, f"input {index}: {wrong.detail}"))
            last_output_s = process.watch.elapsed_s()
        return process.finish(process.next())
