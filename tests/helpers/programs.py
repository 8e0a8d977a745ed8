"""Makes the programs of tests, with the rules of the task cards."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from evalharness.data.cards import find_task
from evalharness.records import (
    CallsProgram,
    EvalPlusCallRules,
    ExecProgram,
    Execution,
    Limits,
    Outcome,
    ProcessRules,
    ReferenceSolution,
)
from evalharness.sandbox.agent.shared.wire import dumps
from evalharness.sandbox.pool import ContainerPool

EVALPLUS, MBPP_PLUS = find_task("mbpp-plus")
HUMANEVAL = find_task("humaneval")[0]
CALL_RULES = ("min_time_s", "time_factor", "max_time_s")


def oracle_of(entry_point: str, edition: str = "0.3") -> str:
    """The oracle of the card for this entry point; empty without one."""
    version = MBPP_PLUS.versions["v0.1.0" if edition == "0.2" else "v0.2.0"]
    for rules in (EVALPLUS.rules, {**MBPP_PLUS.rules, **version.rules}):
        for oracle, names in rules["oracles"].items():
            if entry_point in names:
                return str(oracle)
    return ""


def exec_program(source: str, time_s: float = 3.0, memory_mb: int = 4096, **rules: Any) -> ExecProgram:
    """A program with its checks inside, as in HumanEval and MBPP."""
    process_rules = replace(ProcessRules.from_card_rules(HUMANEVAL.rules), **rules)
    return ExecProgram("python", source, Limits(time_s, memory_mb), process_rules)


def calls_program(
    source: str,
    reference: str,
    inputs: Sequence[Sequence[Any]] | Mapping[str, Sequence[Sequence[Any]]] = ((1,),),
    entry_point: str = "f",
    atol: float = 0,
    edition: str = "0.3",
    **rules: Any,
) -> CallsProgram:
    """A program whose entry point is called, as in EvalPlus. `inputs`: of one group, or by group."""
    groups = inputs if isinstance(inputs, Mapping) else {"base": inputs}
    card = {name: EVALPLUS.rules[name] for name in CALL_RULES}
    oracle = oracle_of(entry_point, edition)
    return CallsProgram(
        image="python",
        source=source,
        limits=Limits(time_s=62.0),
        rules=ProcessRules.from_card_rules(EVALPLUS.rules),
        calls=EvalPlusCallRules(**{**card, "edition": edition, "oracle": oracle, "atol": atol, **rules}),
        reference=ReferenceSolution(
            source=reference,
            entry_point=entry_point,
            groups={name: dumps([list(args) for args in group]) for name, group in groups.items()},
            output_not_none=oracle == "not_none",
        ),
    )


def only(execution: Execution) -> Outcome:
    """The outcome of an execution that must have exactly one part."""
    assert not execution.infrastructure, execution.infrastructure
    (outcome,) = execution.parts.values()
    return outcome


def run(sandbox: ContainerPool, source: str, time_s: float = 3.0, **options: Any) -> Outcome:
    """The outcome of a program with its checks inside."""
    return only(sandbox.run(exec_program(source, time_s, **options)))
