"""Judges what a sample's function returns: other processes call it on inputs, the judge compares the outputs.

The judge reads the expected outputs only after it has forked the processes that run the sample. It stops a harmless
program (its text shows that it can only compute) at the first wrong output of a group of inputs. Of any other program
it receives all outputs before it compares the first, so that the program cannot learn whether an output was right.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from ..sample.running import CallFunctionWork
from ..shared import codec, wire
from ..shared.messages import CallSettings, CallsJob, CallsSecret, PartResult
from ..shared.outcome import Outcome
from . import cleaning
from .comparing.comparison import Comparison
from .comparing.expected import ExpectedOutputs
from .comparing.outputs import SampleOutput, outcome_of_wrong_output, request_pieces
from .job import JudgedJob
from .references import recompute_output
from .sample_process import SampleProcess

MAX_STORED_BYTES = 256 << 20
"""Most bytes of all outputs that the judge stores until it compares them."""
NO_OUTPUT = (b"!", b"")
"""Represents the output of a call that exceeded its time limit."""
OUTPUT_GRACE_S = 0.5
"""Seconds after its time limit in which a call's output is still accepted; a program may ignore its own alarm."""


def judge(job: CallsJob, read_secret: Callable[[], CallsSecret], uid: int, workdir: str) -> JudgedJob:
    """Judges a program by the values that its function returns; returns the result of each group of inputs."""
    settings, calls = job["settings"], job["calls"]
    processes = {}
    for name, inputs in job["inputs"].items():
        work = CallFunctionWork(settings, job["memory_mb"], job["source"], job["entry_point"], inputs, calls["oracle"])
        processes[name] = (work, SampleProcess(work, uid, workdir))
    secret = read_secret()
    expected = wire.loads(secret["expected"])
    results: dict[str, PartResult] = {}
    for name, (work, process) in processes.items():
        has_failed = any(result["status"] != "passed" for result in results.values())
        if has_failed and job["harmless"]:
            process.end_without_result()
            continue
        calls_of_part = FunctionCalls(process, work, expected[name], secret["reference"], workdir)
        result = calls_of_part.judge(calls, compare_at_once=job["harmless"])
        cleaning.clean_up_between_processes(
            uid, workdir, {later.pid for _, later in processes.values() if not later.ended}
        )
        if not has_failed:
            results[name] = result
    return JudgedJob(results)


class ReceivedOutput(NamedTuple):
    """An output that the judge has received and not yet compared: the sample's message, and the output in pieces."""

    kind: bytes
    payload: bytes
    pieces: list[bytes]


def call_time_limits(reference_cpu_s: list[float], calls: CallSettings) -> tuple[list[float], float]:
    """Returns the time limit of each call and the time limit of all calls together, in seconds.

    `reference_cpu_s` are the CPU seconds that the reference solution needed for each call. Source: EvalPlus's
    `untrusted_check`.
    """
    limits = [max(calls["min_time_s"], calls["time_factor"] * seconds) for seconds in reference_cpu_s]
    return limits, min(calls["max_time_s"], sum(limits)) + 1


class FunctionCalls:
    """The calls of a sample's function on one group of inputs, with the expected outputs.

    The sample's process exists already, but its code starts only when `judge` is called.
    """

    def __init__(self, process: SampleProcess, work: CallFunctionWork, expected: bytes, reference: str, workdir: str):
        self.process, self.work = process, work
        self.expected = ExpectedOutputs(
            expected, lambda index, seconds: recompute_output(work, reference, index, seconds, process.uid + 1, workdir)
        )

    def judge(self, calls: CallSettings, compare_at_once: bool) -> PartResult:
        """Runs the calls; returns `passed` if the function returned the expected output on each input.

        `compare_at_once`: compares each output when it arrives; otherwise all outputs, after the process has ended.
        """

        def run_and_compare() -> PartResult:
            try:
                return self._compare_at_once(calls) if compare_at_once else self._compare_after_exit(calls)
            except wire.ValueTooLarge as error:
                return self.process.end_process(Outcome("failed", f"an output too large to be compared: {error}"))

        return self.process.result_or_tampered(run_and_compare)

    def _run_and_yield_outputs(self, calls: CallSettings) -> Iterator[tuple[int, wire.Frame | None]]:
        """Runs the sample's code; yields each output as (index, message), a message being (kind, payload).

        The last pair is (number of outputs, what ended the run): a message of another kind; None if the process has
        ended; NO_OUTPUT if an output did not arrive within the time limit of a call.
        """
        process, expected = self.process, self.expected
        limits, total_s = call_time_limits(expected.cpu_times(), calls)
        process.start_sample(limits, total_s + 1)
        last_output_s, has_call_limits = 0.0, expected.are_all_small()
        for index in range(len(expected)):
            frame = process.next_message()
            is_output = frame is not None and frame[0] in b"od"
            # The first output also waits for the load of the program; outputs of fast calls arrive with a slow one's.
            is_late = (
                index and has_call_limits and process.watch.elapsed_s() - last_output_s > max(limits) + OUTPUT_GRACE_S
            )
            yield index, NO_OUTPUT if is_output and is_late else frame
            if is_late or not is_output:
                return
            last_output_s = process.watch.elapsed_s()
            process.call_s = max(limits) + OUTPUT_GRACE_S if has_call_limits else None
        yield len(expected), process.next_message()

    def _end_process(self, output_index: int, last_frame: wire.Frame | None) -> PartResult:
        """Ends the sample's process and returns its result.

        `output_index` and `last_frame` are the last pair that `_run_and_yield_outputs` yields.
        """
        if last_frame is NO_OUTPUT:
            return self.process.end_process(
                Outcome("timeout", f"input {output_index}: no output within the time limit of a call")
            )
        if output_index == len(self.expected):
            return self.process.finish_after_message(last_frame)
        return self.process.finish_without_output(last_frame)

    def _compare_at_once(self, calls: CallSettings) -> PartResult:
        """Compares each output when it arrives; ends the process at the first wrong one."""
        process, comparison = self.process, Comparison(calls["edition"], calls["oracle"], calls["atol"])
        for index, frame in self._run_and_yield_outputs(calls):
            if index == len(self.expected) or frame is None or frame[0] not in b"od":
                return self._end_process(index, frame)
            kind, payload = frame
            was_requested = False

            def get_pieces(kind: bytes = kind, payload: bytes = payload) -> list[bytes]:
                nonlocal was_requested
                was_requested = True
                return request_pieces(process, payload) if kind == b"d" else [codec.encode(None), payload]

            wrong_outcome = outcome_of_wrong_output(
                SampleOutput(self.work, index, comparison), kind, payload, get_pieces, self.expected
            )
            if wrong_outcome:
                return process.end_process(Outcome(wrong_outcome.status, f"input {index}: {wrong_outcome.detail}"))
            if kind == b"d" and not was_requested:
                process.send(b"n")
        raise AssertionError("unreachable")

    def _compare_after_exit(self, calls: CallSettings) -> PartResult:
        """Requests all outputs in full, and compares them after the sample's process has ended."""
        outputs: list[ReceivedOutput] = []
        remaining_bytes = MAX_STORED_BYTES
        for index, frame in self._run_and_yield_outputs(calls):
            if index == len(self.expected) or frame is None or frame[0] not in b"od":
                result = self._end_process(index, frame)
                break
            kind, payload = frame
            pieces = request_pieces(self.process, payload) if kind == b"d" else [codec.encode(None), payload]
            if kind == b"d" and self.expected.has_same_bytes(index, kind, payload):
                pieces = []  # the digest decides
            remaining_bytes -= sum(map(len, pieces))
            if remaining_bytes < 0:
                return self.process.end_process(Outcome("failed", "outputs too large to be compared"))
            outputs.append(ReceivedOutput(kind, payload, pieces))
        return self._compare_outputs(result, outputs, Comparison(calls["edition"], calls["oracle"], calls["atol"]))

    def _compare_outputs(self, result: PartResult, outputs: list[ReceivedOutput], comparison: Comparison) -> PartResult:
        """Compares the outputs of an ended process with the expected ones.

        Returns the process's `result`; if an output is wrong, with status and detail of the first wrong one.
        """
        for index, (kind, payload, pieces) in enumerate(outputs):
            output = SampleOutput(self.work, index, comparison)
            wrong_outcome = outcome_of_wrong_output(output, kind, payload, partial(list, pieces), self.expected)
            if wrong_outcome:
                result["status"], result["detail"] = wrong_outcome.status, f"input {index}: {wrong_outcome.detail}"
                break
        return result
