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
from ..shared.messages import CallSettings, CallsHiddenTests, CallsJob, JobPartResult
from ..shared.outcome import Outcome
from . import cleaning
from .comparing.comparison import Comparison
from .comparing.expected import ExpectedOutputs
from .comparing.outputs import SampleCall, outcome_if_output_is_wrong, request_output_pieces
from .job import JudgedJob
from .references import recompute_output
from .sample_process import SampleProcess

MAX_STORED_BYTES = 256 << 20
"""Most bytes of all outputs that the judge stores until it compares them."""
NO_OUTPUT = (b"!", b"")
"""Represents the output of a call that exceeded its time limit."""
IndexedMessage = tuple[int, wire.Frame | None]
"""An input's index, and the message (kind, payload) that the sample's process sent for this input."""
OUTPUT_GRACE_S = 0.5
"""Seconds after its time limit in which a call's output is still accepted; a program may ignore its own alarm."""


def judge(job: CallsJob, read_hidden_tests: Callable[[], CallsHiddenTests], uid: int, workdir: str) -> JudgedJob:
    """Judges a program by the values that its entry point returns for given inputs.

    Returns the result of each group of inputs, up to the first failed one. `read_hidden_tests` returns the expected
    outputs; it is called only after the sample's processes are forked, so that they do not inherit these outputs.
    """
    settings, calls = job["settings"], job["calls"]
    processes = {}
    for name, inputs in job["inputs"].items():
        work = CallFunctionWork(settings, job["memory_mb"], job["source"], job["entry_point"], inputs, calls["oracle"])
        processes[name] = (work, SampleProcess(work, uid, workdir))
    hidden_tests = read_hidden_tests()
    expected = wire.loads(hidden_tests["expected"])
    results: dict[str, JobPartResult] = {}
    for name, (work, process) in processes.items():
        has_failed = any(result["status"] != "passed" for result in results.values())
        if has_failed and job["harmless"]:
            process.end_without_result()
            continue
        group_judge = InputGroupJudge(process, work, expected[name], hidden_tests["reference"], workdir)
        result = group_judge.judge(calls, compare_on_arrival=job["harmless"])
        cleaning.clean_up_between_runs(uid, workdir, {later.pid for _, later in processes.values() if not later.ended})
        if not has_failed:
            results[name] = result
    return JudgedJob(results)


class ReceivedOutput(NamedTuple):
    """A value that the sample's function returned, received but not yet compared with the expected one.

    `kind` and `payload` are the message that contains the encoded value or its digest; `pieces` is the whole value,
    encoded in pieces (see `shared.outputs.encode_in_pieces`), or empty if the digest is enough.
    """

    kind: bytes
    payload: bytes
    pieces: list[bytes]


class CallTimeLimits(NamedTuple):
    """Time limits, in seconds, of each call and of all calls of a group together."""

    each_call_s: list[float]
    all_calls_s: float


def call_time_limits(reference_cpu_s: list[float], call_settings: CallSettings) -> CallTimeLimits:
    """Returns the time limits of calls from the CPU time that the reference solution needed for the same calls.

    `reference_cpu_s`: CPU seconds of the reference solution, one item per call. Source: EvalPlus's `untrusted_check`.
    """
    limits = [max(call_settings["min_time_s"], call_settings["time_factor"] * seconds) for seconds in reference_cpu_s]
    return CallTimeLimits(limits, min(call_settings["max_time_s"], sum(limits)) + 1)


class InputGroupJudge:
    """Calls a sample's function on one group of inputs, and compares the outputs with the expected ones.

    The sample's process is already forked, but runs the sample's code only after `judge` is called.
    """

    def __init__(self, process: SampleProcess, work: CallFunctionWork, expected: bytes, reference: str, workdir: str):
        self.process, self.work = process, work
        self.expected = ExpectedOutputs(
            expected, lambda index, seconds: recompute_output(work, reference, index, seconds, process.uid + 1, workdir)
        )

    def judge(self, call_settings: CallSettings, compare_on_arrival: bool) -> JobPartResult:
        """Calls the function on each input; the returned status is `passed` if every output is the expected one.

        `compare_on_arrival`: compare each output when it arrives; otherwise compare all outputs after the sample's
        process has ended.
        """

        def run_and_compare() -> JobPartResult:
            try:
                if compare_on_arrival:
                    return self._compare_on_arrival(call_settings)
                return self._compare_after_exit(call_settings)
            except wire.ValueTooLarge as error:
                return self.process.end_process(Outcome("failed", f"an output too large to be compared: {error}"))

        return self.process.result_or_tampered(run_and_compare)

    def _run_and_yield_outputs(self, call_settings: CallSettings) -> Iterator[IndexedMessage]:
        """Starts the sample's code; yields each output as (index of the input, message).

        The last pair is not an output. Its index is the number of outputs that were received. Its message is None if
        the process has ended, NO_OUTPUT if an output did not arrive within the time limit of its call, and otherwise
        the message that arrived instead of an output.
        """
        process, expected = self.process, self.expected
        limits, total_s = call_time_limits(expected.reference_cpu_seconds(), call_settings)
        process.start_sample(limits, total_s + 1)
        last_output_s, has_call_limits = 0.0, expected.are_all_small()
        call_limit_s = max(limits, default=0.0) + OUTPUT_GRACE_S
        for index in range(len(expected)):
            frame = process.next_message()
            is_output = frame is not None and frame[0] in b"od"
            # The first output also waits for the load of the program; outputs of fast calls arrive with a slow one's.
            is_late = index and has_call_limits and process.watch.elapsed_s() - last_output_s > call_limit_s
            yield index, NO_OUTPUT if is_output and is_late else frame
            if is_late or not is_output:
                return
            last_output_s = process.watch.elapsed_s()
            process.call_s = call_limit_s if has_call_limits else None
        yield len(expected), process.next_message()

    def _end_process(self, output_count: int, last_frame: wire.Frame | None) -> JobPartResult:
        """Ends the sample's process; returns its result.

        `output_count` outputs were received, then the message `last_frame` instead of an output (the last pair that
        `_run_and_yield_outputs` yields).
        """
        if last_frame is NO_OUTPUT:
            return self.process.end_process(
                Outcome("timeout", f"input {output_count}: no output within the time limit of a call")
            )
        if output_count == len(self.expected):
            return self.process.end_after_message(last_frame)
        return self.process.end_without_output(last_frame)

    def _compare_on_arrival(self, call_settings: CallSettings) -> JobPartResult:
        """Compares each output when it arrives; ends the process at the first wrong output. Returns the result."""
        process = self.process
        comparison = Comparison(call_settings["edition"], call_settings["oracle"], call_settings["atol"])
        for index, frame in self._run_and_yield_outputs(call_settings):
            if index == len(self.expected) or frame is None or frame[0] not in b"od":
                return self._end_process(index, frame)
            kind, payload = frame
            was_requested = False

            def get_output_pieces(kind: bytes = kind, payload: bytes = payload) -> list[bytes]:
                nonlocal was_requested
                was_requested = True
                return request_output_pieces(process, payload) if kind == b"d" else [codec.encode(None), payload]

            wrong_outcome = outcome_if_output_is_wrong(
                SampleCall(self.work, index, comparison), kind, payload, get_output_pieces, self.expected
            )
            if wrong_outcome:
                return process.end_process(Outcome(wrong_outcome.status, f"input {index}: {wrong_outcome.detail}"))
            if kind == b"d" and not was_requested:
                process.send(b"n")
        raise AssertionError("unreachable")

    def _compare_after_exit(self, call_settings: CallSettings) -> JobPartResult:
        """Receives all outputs, and compares them after the sample's process has ended. Returns the result."""
        outputs: list[ReceivedOutput] = []
        remaining_bytes = MAX_STORED_BYTES
        for index, frame in self._run_and_yield_outputs(call_settings):
            if index == len(self.expected) or frame is None or frame[0] not in b"od":
                result = self._end_process(index, frame)
                break
            kind, payload = frame
            pieces = request_output_pieces(self.process, payload) if kind == b"d" else [codec.encode(None), payload]
            if kind == b"d" and self.expected.has_same_bytes(index, kind, payload):
                pieces = []  # the digest decides
            remaining_bytes -= sum(map(len, pieces))
            if remaining_bytes < 0:
                return self.process.end_process(Outcome("failed", "outputs too large to be compared"))
            outputs.append(ReceivedOutput(kind, payload, pieces))
        comparison = Comparison(call_settings["edition"], call_settings["oracle"], call_settings["atol"])
        return self._compare_outputs(result, outputs, comparison)

    def _compare_outputs(
        self, result: JobPartResult, outputs: list[ReceivedOutput], comparison: Comparison
    ) -> JobPartResult:
        """Compares the outputs of an ended process with the expected ones; returns `result`, the process's result.

        If an output is wrong, status and detail of the returned result are those of the first wrong output.
        """
        for index, (kind, payload, pieces) in enumerate(outputs):
            call = SampleCall(self.work, index, comparison)
            wrong_outcome = outcome_if_output_is_wrong(call, kind, payload, partial(list, pieces), self.expected)
            if wrong_outcome:
                result["status"], result["detail"] = wrong_outcome.status, f"input {index}: {wrong_outcome.detail}"
                break
        return result
