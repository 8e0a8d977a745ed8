"""EvalPlus's own grader behind a pipe: run as a script it serves, `Official` is its client.

It has a process of its own because the grader forks one for every sample and limits its memory to 4 GiB, which a
process that has loaded much does not survive.
"""

import pickle
import subprocess
import sys
from typing import Any

Question = tuple[str, str, str, list[Any], str, float]
"""dataset, program, entry point, inputs, reference program, atol."""


class Official:
    """Asks the grader of the installed evalplus package."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def passes(
        self, dataset: str, program: str, entry_point: str, inputs: list[Any], reference: str, atol: float
    ) -> bool:
        """Whether the program passes on inputs for which the reference program gives the expected outputs."""
        return bool(self._ask(("passes", (dataset, program, entry_point, inputs, reference, atol))))

    def details(
        self, dataset: str, entry_point: str, inputs: list[Any], outputs: list[Any], expected: list[Any], atol: float
    ) -> list[bool]:
        """For each of several outputs of one program, in order, whether it is right."""
        # Apart, so that no object of the outputs is one of the expected, as it never is in earnest.
        apart = (pickle.dumps(outputs), pickle.dumps(expected))
        return list(self._ask(("details", (dataset, entry_point, inputs, *apart, atol))))

    def _ask(self, question: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(question, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def serve() -> None:
    """Answers questions until stdin ends."""
    import evalplus.eval
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.gen.util import trusted_exec

    execute = evalplus.eval.unsafe_execute

    def execute_and_count(*args: Any) -> None:
        # Release 0.3.1 does not count the outputs of find_zero that it accepts, so that nothing passes; later ones do.
        execute(*args)
        stat, details, progress = args[-3:]
        if args[1] == "find_zero" and stat.value == 0:
            progress.value = len(args[3])
            details[:] = [True] * len(args[3])

    evalplus.eval.unsafe_execute = execute_and_count

    def passes(dataset: str, program: str, entry_point: str, inputs: list[Any], reference: str, atol: float) -> bool:
        not_none = entry_point in MBPP_OUTPUT_NOT_NONE_TASKS
        expected = trusted_exec(reference, inputs, entry_point, output_not_none=not_none)
        times = [0.0] * len(inputs)
        status, _ = evalplus.eval.untrusted_check(
            dataset, program, inputs, entry_point, expected, atol, times, fast_check=True
        )
        return bool(status == "pass")

    def details(
        dataset: str, entry_point: str, inputs: list[Any], outputs: bytes, expected: bytes, atol: float
    ) -> list[bool]:
        program = (
            f"import pickle\noutputs = iter(pickle.loads({outputs!r}))\ndef {entry_point}(*_): return next(outputs)"
        )
        wanted, times = pickle.loads(expected), [0.0] * len(inputs)
        found = evalplus.eval.untrusted_check(dataset, program, inputs, entry_point, wanted, atol, times)[1]
        return [bool(right) for right in found]

    while True:
        try:
            name, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump({"passes": passes, "details": details}[name](*args), sys.stdout.buffer)
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
