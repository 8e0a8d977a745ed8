"""The official EvalPlus grader in a separate process: as a script, this file is the server, and `Official` its client.

The grader forks its process for every sample and limits the memory to 4 GiB, which is too little for a process that has
loaded large libraries.
"""

import pickle
import subprocess
import sys
from typing import Any

Query = tuple[str, str, str, list[Any], str, float]
"""Data set, program, entry point, inputs, reference program, absolute tolerance."""


class Official:
    """The grader of the installed evalplus package."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def passes(
        self, dataset: str, program: str, entry_point: str, inputs: list[Any], reference: str, atol: float
    ) -> bool:
        """Returns whether the program passes on the inputs, with the reference program's outputs as expected ones."""
        return bool(self._ask(("passes", (dataset, program, entry_point, inputs, reference, atol))))

    def details(
        self, dataset: str, entry_point: str, inputs: list[Any], outputs: list[Any], expected: list[Any], atol: float
    ) -> list[bool]:
        """Returns for each of a program's outputs whether it is correct."""
        # Pickled separately, so that outputs and expected outputs share no object, as in a real run.
        pickled = (pickle.dumps(outputs), pickle.dumps(expected))
        return list(self._ask(("details", (dataset, entry_point, inputs, *pickled, atol))))

    def _ask(self, query: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(query, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def serve() -> None:
    """Answers queries until stdin ends."""
    import evalplus.eval
    from evalplus.eval._special_oracle import MBPP_OUTPUT_NOT_NONE_TASKS
    from evalplus.gen.util import trusted_exec

    execute = evalplus.eval.unsafe_execute

    def execute_and_count(*args: Any) -> None:
        # Release 0.3.1 does not count accepted outputs of find_zero, so that no program passes; later releases do.
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
        expected_outputs, times = pickle.loads(expected), [0.0] * len(inputs)
        flags = evalplus.eval.untrusted_check(dataset, program, inputs, entry_point, expected_outputs, atol, times)[1]
        return [bool(flag) for flag in flags]

    while True:
        try:
            name, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump({"passes": passes, "details": details}[name](*args), sys.stdout.buffer)
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
