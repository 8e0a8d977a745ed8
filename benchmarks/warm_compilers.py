"""Compares compile servers with the commands that they replace: seconds of the compile step per sample.

Both run in the same pool with one worker, in random order. The samples are the correct hello program of each language,
with a comment that makes each text unique. Prints a JSON document of medians; the first sample of a fresh container is
listed separately.

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
from evalharness.sandbox.languages import Language, languages_by_image
from evalharness.sandbox.pool import ContainerPool

LIMITS = Limits(time_s=0, memory_mb=4096)


def without_servers(language: Language) -> Language:
    """The language with its commands in place of compile servers."""
    return language.model_copy(update={"steps": [step.model_copy(update={"warm": False}) for step in language.steps]})


def commands_only() -> AbstractContextManager[object]:
    """Jobs that are made inside the context use no compile server."""
    languages_without = {name: without_servers(language) for name, language in languages_by_image().items()}
    return patch.object(jobs, "languages_by_image", lambda: languages_without)


def compile_step(pool: ContainerPool, image: str, note: str) -> Outcome:
    """The outcome of compiling the correct hello program."""
    hello = languages_by_image()[image].hello
    comment = f"//{note}\n"
    execution = pool.run(CommandProgram(image, comment + hello.prompt + hello.right, LIMITS, Checks(hello.tests)))
    assert [outcome.status for outcome in execution.parts.values()] == ["passed", "passed"], execution
    return execution.parts["compile"]


def measure(pool: ContainerPool, image: str, rounds: int) -> dict[str, float]:
    """Median wall-clock and CPU seconds of both."""
    pool.prepare([image])
    outcomes: dict[str, list[Outcome]] = {"warm": [], "plain": []}
    for number in range(rounds):
        for kind in random.sample(sorted(outcomes), 2):
            if kind == "warm":
                outcomes[kind].append(compile_step(pool, image, f"{number}"))
            else:
                with commands_only():
                    outcomes[kind].append(compile_step(pool, image, f"{number}"))
    return {
        "warm_first_s": outcomes["warm"][0].wall_s,
        **{f"{kind}_s": statistics.median(outcome.wall_s for outcome in row) for kind, row in outcomes.items()},
        **{f"{kind}_cpu_s": statistics.median(outcome.cpu_s for outcome in row) for kind, row in outcomes.items()},
    }


def main() -> None:
    """Measures the languages that have a compile server, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    names = [name for name, language in languages_by_image().items() if any(step.warm for step in language.steps)]
    with closing(ContainerPool(DockerEngine(), 1)) as pool:
        print(json.dumps({name: measure(pool, name, args.rounds) for name in args.languages or names}, indent=1))


if __name__ == "__main__":
    main()
