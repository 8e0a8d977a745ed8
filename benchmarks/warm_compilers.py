"""Compile servers: seconds of the compile step per sample, by the server and by the command that it stands for.

Both run through the real pool, one worker, one after the other, in random order; the samples are each language's hello
program, right, with a comment that makes each text another. Prints a JSON document of medians, with the first sample
of a fresh container apart.

    python benchmarks/warm_compilers.py [--rounds 15] [LANGUAGE...]
"""

import argparse
import json
import random
import statistics
from contextlib import AbstractContextManager, closing
from unittest.mock import patch

from evalharness.records import Checks, CommandProgram, Limits, Outcome
from evalharness.sandbox import jobs
from evalharness.sandbox.engines.docker import DockerEngine
from evalharness.sandbox.languages import Language, languages
from evalharness.sandbox.pool import ContainerPool

LIMITS = Limits(time_s=0, memory_mb=4096)


def without_servers(language: Language) -> Language:
    """The language with all steps by their commands."""
    return language.model_copy(update={"steps": [step.model_copy(update={"warm": False}) for step in language.steps]})


def plain() -> AbstractContextManager[object]:
    """Jobs made meanwhile ask no compile server."""
    changed = {name: without_servers(language) for name, language in languages().items()}
    return patch.object(jobs, "languages", lambda: changed)


def compile_step(pool: ContainerPool, image: str, note: str) -> Outcome:
    """The outcome of compiling the right hello program."""
    hello = languages()[image].hello
    comment = f"//{note}\n"
    execution = pool.run(CommandProgram(image, comment + hello.prompt + hello.right, LIMITS, Checks(hello.tests)))
    assert [each.status for each in execution.parts.values()] == ["passed", "passed"], execution
    return execution.parts["compile"]


def measure(pool: ContainerPool, image: str, rounds: int) -> dict[str, float]:
    """Median seconds, and the processor's, of both."""
    pool.prepare([image])
    found: dict[str, list[Outcome]] = {"warm": [], "plain": []}
    for number in range(rounds):
        for kind in random.sample(sorted(found), 2):
            if kind == "warm":
                found[kind].append(compile_step(pool, image, f"{number}"))
            else:
                with plain():
                    found[kind].append(compile_step(pool, image, f"{number}"))
    return {
        "warm_first_s": found["warm"][0].wall_s,
        **{f"{kind}_s": statistics.median(each.wall_s for each in outcomes) for kind, outcomes in found.items()},
        **{f"{kind}_cpu_s": statistics.median(each.cpu_s for each in outcomes) for kind, outcomes in found.items()},
    }


def main() -> None:
    """Measures the languages that have a compile server, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    names = [name for name, each in languages().items() if any(step.warm for step in each.steps)]
    with closing(ContainerPool(DockerEngine(), 1)) as pool:
        print(json.dumps({name: measure(pool, name, options.rounds) for name in options.languages or names}, indent=1))


if __name__ == "__main__":
    main()
