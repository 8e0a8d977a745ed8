"""A program that writes forged messages to its judge never passes, and never causes a failure of the infrastructure."""

import pytest
from helpers.programs import calls_program, exec_program, only, run
from helpers.sandboxes import RunWithin

from evalharness.sandbox.pool import ContainerPool

pytestmark = pytest.mark.docker

SEND = """
import marshal, os, posix, struct
ends = [fd for fd in range(3, 64) if fd in map(int, os.listdir('/proc/self/fd'))]
def write(data):
    for fd in ends:
        try:
            while data: data = data[os.write(fd, data):]
            return
        except OSError: pass
def send(kind, data=b''):
    write(kind + struct.pack('!I', len(data)) + data)
def tagged(*items):
    return marshal.dumps((..., *items), 2)
"""
REFERENCE = "def f(x): return [x] * 3"
FORGED = {
    "noise": "write(os.urandom(100_000))",
    "zeros": "write(bytes(100_000))",
    "the end": "send(b'p')",
    "the end with a wrong token": "send(b'p', bytes(16))",
    "half a message": "write(b'o\\0')",
    "a message too long": "write(b'o\\xff\\xff\\xff\\xff')",
    "a message of no kind": "send(b'?')",
    "an output of nothing": "send(b'o')",
    "an output that names a code object": "send(b'o', marshal.dumps(send.__code__))",
    "an output that is too much": "send(b'o', marshal.dumps([1, 1, 1], 2) * 2)",
    "an output of an unknown kind": "send(b'o', tagged('?', 1))",
    "an output with a dtype that is none": "send(b'o', tagged('numpy', '(,)i4,i4', None, b''))",
    "an output in an unknown encoding": "send(b'o', tagged('bytearray', 'x', 'x'))",
    "an output of 10**18 bytes": "send(b'o', tagged('bytearray', 10**18))",
    "a nest": "send(b'o', b'[\\1\\0\\0\\0' * 10**6)",
    "a digest alone": "send(b'd', bytes(16))\nposix._exit(0)",
    "a digest and no pieces": "send(b'd', bytes(16)); send(b'z')",
    "a digest and a piece that is none": "send(b'd', bytes(16)); send(b'c', b'?'); send(b'z')",
    "a digest and a header that is none": "send(b'd', bytes(16)); send(b'c', marshal.dumps(5, 2)); send(b'z')",
    "a digest and an item that is none": "send(b'd', bytes(16)); send(b'c', marshal.dumps(('list', 5000), 2)); "
    "send(b'c', marshal.dumps(5, 2)); send(b'z')",
    "pieces without a digest": "send(b'c', marshal.dumps(None, 2)); send(b'z')",
    "an outcome of no status": "send(b'e', b'passed:')",
    "an outcome without a status": "send(b'e')",
    "an outcome of passed": "send(b'e', b'\\0')",
    "an outcome of infrastructure": "send(b'e', b'\\6')",
    "an exception in bytes": "send(b'e', bytes(range(256)))",
    "facts": "send(b'f', bytes(16))",
    "no channel": "posix.closerange(3, 64)",
}
ENDLESS = {
    "messages": "while True: send(b'?')",
    "pieces": "send(b'd', bytes(16)); send(b'c', marshal.dumps(('list', 10**9), 2))\n"
    "while True: send(b'c', marshal.dumps([], 2))",
    "a fraction": "send(b'o', tagged('Fraction', '1e999999999'))",
    "a range": "send(b'o', tagged('range', 0, 10**8, 1))",
}


@pytest.mark.parametrize(
    "oracle", ["", *(pytest.param(name, marks=pytest.mark.slow) for name in ("as_sets", "padded_digits"))]
)
@pytest.mark.parametrize("name", FORGED)
def test_forged_messages_fail(name: str, oracle: str, sandbox: ContainerPool) -> None:
    program = f"{SEND}{FORGED[name]}\ndef f(x): return [x, 0, 0]"
    outcome = only(sandbox.run(calls_program(program, REFERENCE, oracle=oracle)))
    assert outcome.status in ("failed", "error", "tampered", "timeout"), outcome


@pytest.mark.parametrize("name", FORGED)
def test_forged_messages_do_not_pass_checks(name: str, sandbox: ContainerPool) -> None:
    outcome = run(sandbox, f"{SEND}{FORGED[name]}\nassert 0")
    assert outcome.status in ("failed", "error", "tampered", "timeout"), outcome


@pytest.mark.slow  # the judge and a program that floods it share a core
@pytest.mark.parametrize("name", ENDLESS)
def test_endless_forged_messages_do_not_block_the_judge(name: str, run_within: RunWithin) -> None:
    program = calls_program(f"{SEND}{ENDLESS[name]}\ndef f(x): return 0", REFERENCE, oracle="as_sets", max_time_s=0.2)
    assert only(run_within(program, 20)).status in ("failed", "error", "tampered", "timeout")


@pytest.mark.parametrize("oracle", ["", "as_sets", "padded_digits"])
@pytest.mark.parametrize(
    "body",
    [
        "x = []\n  for _ in range(5000): x = [x]\n  return x",
        "x = []\n  for _ in range(600): x = [x]\n  return [x, complex(1)]",
        "x = [x]\n  x.append(x)\n  return x",
        "return (i for i in range(3))",
        "return type('A', (), {'__eq__': lambda *_: True})()",
        "return 'x' * 1000",
        "return 10 ** 5000",
        "return {2: {2: {3}}}",
        "return float('nan')",
    ],
)
def test_unusual_honest_outputs_are_wrong_but_not_tampered(body: str, oracle: str, sandbox: ContainerPool) -> None:
    program = calls_program(f"def f(x):\n  {body}", REFERENCE, oracle=oracle, max_time_s=0.2)
    outcome = only(sandbox.run(program))
    assert outcome.status == "failed", outcome


def test_a_process_that_holds_the_channel_does_not_block_the_judge(run_within: RunWithin) -> None:
    program = "import posix, time\nif posix.fork():\n    posix._exit(0)\ntime.sleep(60)"
    assert only(run_within(exec_program(program, time_s=0.2), 20)).status in ("error", "timeout", "tampered")
