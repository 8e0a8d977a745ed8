"""Runs a trusted reference solution like a sample, and records its outputs as the expected ones."""

from collections.abc import Callable
from typing import NamedTuple

from ..sample.running import NO_SETTINGS, CallFunctionWork, RecordOutputsWork
from ..shared import codec, wire
from ..shared.messages import JobPartResult, NoHiddenTests, ProcessSettings, ReferenceJob
from ..shared.outcome import PASSED, Outcome
from ..shared.outputs import FACTS, OutputFacts
from . import cleaning
from .comparing.expected import pack_expected_outputs
from .job import JudgedJob
from .sample_process import SampleProcess

GROUP_TIME_LIMIT_S = 3600.0
"""Time limit for all inputs of a group, in seconds."""
RERUN_FACTOR, RERUN_EXTRA_S = 10.0, 60.0
"""Time limit of a second run: a multiple of the first run's time, plus seconds; a running sample may slow it down."""


def judge(job: ReferenceJob, read_hidden_tests: Callable[[], NoHiddenTests], uid: int, workdir: str) -> JudgedJob:
    """Runs a trusted reference solution to record its outputs.

    Returns the result of each group of inputs up to the first failed one, and the outputs recorded so far.
    """
    read_hidden_tests()
    results: dict[str, JobPartResult] = {}
    recorded: dict[str, bytes] = {}
    for name, inputs in job["inputs"].items():
        work = RecordOutputsWork(
            NO_SETTINGS, job["memory_mb"], job["source"], job["entry_point"], inputs, job["output_not_none"]
        )
        results[name], recorded[name] = record_outputs(SampleProcess(work, uid, workdir))
        cleaning.clean_up_between_runs(uid, workdir, set())
        if results[name]["status"] != "passed":
            break
    return JudgedJob(results, wire.dumps(recorded))


class ReferenceRun(NamedTuple):
    """A reference solution's run on one group of inputs: its result, and its outputs as bytes for storage."""

    result: JobPartResult
    packed_outputs: bytes


def record_outputs(process: SampleProcess) -> ReferenceRun:
    """Runs a reference solution on one group of inputs, in the forked `process`; returns its result and outputs."""
    facts: list[OutputFacts] = []
    small: list[bytes | None] = []
    digests: list[bytes | None] = []

    process.start_sample([], GROUP_TIME_LIMIT_S)
    try:
        while (frame := process.next_message()) and frame[0] in b"fod":
            kind, payload = frame
            if kind == b"f":
                facts.append(FACTS.unpack(payload))
                continue
            small.append(payload if kind == b"o" else None)
            digests.append(payload if kind == b"d" else None)
            if kind == b"d":
                process.send(b"n")
        result = process.end_after_message(frame)
    except wire.ValueTooLarge as error:
        result = process.end_process(Outcome("failed", f"an output too large to be compared: {error}"))
    return ReferenceRun(result, pack_expected_outputs(facts, small, digests))


def recompute_output(
    work: CallFunctionWork, reference_source: str, input_index: int, first_run_s: float, uid: int, workdir: str
) -> list[bytes]:
    """Runs a reference solution again on input `input_index` of `work`; returns the output in encoded pieces.

    For an output that is too large to be stored, so that only its digest is known. `first_run_s` is the time in seconds
    that the call needed in its first run.
    """
    inputs = wire.dumps([wire.loads(work.inputs)[input_index]])
    settings = ProcessSettings(
        guard="",
        stack_depth=work.settings["stack_depth"],
        address_space_mb=work.settings["address_space_mb"],
    )
    rerun = RecordOutputsWork(
        settings, work.memory_mb, reference_source, work.entry_point, inputs, output_not_none=False
    )
    process = SampleProcess(rerun, uid, workdir)
    process.start_sample([], RERUN_FACTOR * first_run_s + RERUN_EXTRA_S)
    pieces: list[bytes] = []
    while (frame := process.next_message()) and frame[0] in b"fod":
        if frame[0] == b"d":
            process.send(b"s")
            pieces = process.receive_output_pieces()
        elif frame[0] == b"o":
            pieces = [codec.encode(None), frame[1]]
    process.end_process(PASSED)
    return pieces
