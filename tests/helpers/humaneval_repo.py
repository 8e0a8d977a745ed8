"""HumanEval as a repository on the hub, for `fake_hub`."""

from typing import Any

from evalharness.data import cards
from helpers.fake_hub import parquet, readme

HUMANEVAL = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": "def f(x):\n",
        "entry_point": "f",
        "canonical_solution": "    return x\r\n",
        "test": "def check(f):\n    assert f('é') == 'é'\n",
    }
    for number in range(3)
]


def humaneval_repo(rows: list[dict[str, Any]]) -> dict[str, Any]:
    hub = cards.find_task("humaneval")[1].versions["v1.0"].hub
    assert hub is not None
    files = {
        "README.md": readme({"openai_humaneval": ["test"]}),
        "openai_humaneval/test-00000-of-00001.parquet": parquet(rows),
    }
    return {hub.repo: (hub.revision, files)}
