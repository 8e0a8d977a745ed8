"""Runs a trusted reference solution like a sample, and records its outputs as the expected ones."""

from collections.abc import Callable

from ..sample.running import NO_SETTINGS, CallOnInputs, RecordOutputs
from ..shared import codec, wire
from ..shared.messages import NoSecret, PartResult, ProcessSettings, ReferenceJob
from ..shared.outcome import PASSED, Outcome
from ..shared.outputs import FACTS, Facts
from . import cleaning
from .comparing.expected import pack
from .sample_process import SampleProcess

REFERENCE_S = 3600.0
"""Time limit for all inputs of a group, in seconds."""
AGAIN_FACTOR, AGAIN_EXTRA_S = 10.0, 60.0
"""Time limit of a second run: a multiple of the first run's time plus seconds; the sample may slow it down."""


def judge(
    job: ReferenceJob, read_secret: Callable[[], NoSecret], uid: int, folder: str
) -> tuple[dict[str, PartResult], bytes]:
    """Runs a reference solution; returns the results by group of inputs, and the recorded outputs of all groups.

    Groups after a failed one are absent.
    """
    read_secret()
    results: dict[str, PartResult] = {}
    recorded: dict[str, bytes] = {}
    for name, inputs in job["inputs"].items():
        work = RecordOutputs(
            NO_SETTINGS, job["memory_mb"], job["source"], job["entry_point"], inputs, job["output_not_none"]
        )
        results[name], recorded[name] = record(SampleProcess(work, uid, folder))
        cleaning.clean_between(uid, folder, set())
        if results[name]["status"] != "passed":
            break
    return results, wire.dumps(recorded)


def record(process: SampleProcess) -> tuple[PartResult, bytes]:
    """Runs a reference solution on its inputs; returns the result and the packed outputs."""
    facts: list[Facts] = []
    small: list[bytes | None] = []
    digests: list[bytes | None] = []

    process.go([], REFERENCE_S)
    try:
        while (frame := process.next()) and frame[0] in b"fod":
            kind, payload = frame
            if kind == b"f":
                facts.append(FACTS.unpack(payload))
                continue
            small.append(payload if kind == b"o" else None)
            digests.append(payload if kind == b"d" else None)
            if kind == b"d":
                process.send(b"n")
        result = process.finish(frame)
    except wire.TooLarge as error:
        result = process.end(Outcome("failed", f"an output too large to be compared: {error}"))
    return result, pack(facts, small, digests)


def recompute(work: CallOnInputs, source: str, index: int, seconds: float, uid: int, folder: str) -> list[bytes]:
    """Returns the encoded pieces of one large expected output, from another run of the reference solution.

    They come from running the trusted `source` on input `index` of `work`.
    """
    inputs = wire.dumps([wire.loads(work.inputs)[index]])
    settings = ProcessSettings(
        guard="",
        stack_depth=work.settings["stack_depth"],
        address_space_mb=work.settings["address_space_mb"],
    )
    again = RecordOutputs(settings, work.memory_mb, source, work.entry_point, inputs, output_not_none=False)
    process = SampleProcess(again, uid, folder)
    process.go([], AGAIN_FACTOR * seconds + AGAIN_EXTRA_S)
    pieces: list[bytes] = []
    while (frame := process.next()) and frame[0] in b"fod":
        if frame[0] == b"d":
            process.send(b"s")
            pieces = process.pieces()
        elif frame[0] == b"o":
            pieces = [codec.encode(None), frame[1]]
    process.end(PASSED)
    return pieces
