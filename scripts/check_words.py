#!/usr/bin/env python
"""Finds words that readers misunderstand, and names the plain term: scripts/check_words.py [--report] [FILE...].

Checks the Python, Markdown, YAML, JavaScript and shell files that git tracks. `scripts/allowed_words.txt` lists the
exceptions, one `path: phrase` a line; an exception that no line of its file needs any more is an error, too. Exits
with 1 where it finds anything; `--report` prints the same and exits with 0.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = ROOT / "scripts" / "allowed_words.txt"
CHECKED = {".py", ".md", ".yaml", ".yml", ".js", ".sh"}
EXCLUDED = (
    "tests/attacks/",  # programs, not prose
    "tasks/samples/",  # data
    "results/published/",  # quotations
    "evalharness/training/corpus/generated/problem_families/",  # generated programs
    "evalharness/training/corpus/generated/operations.py",  # generated programs
    "scripts/check_words.py",
)

PHRASES = {
    r"mend(s|ed|ing)?": "fix",
    r"dear(er|ly)?": "expensive, slow",
    r"(to|can|could|cannot|can't|not) be had": "available, not available",
    r"at hand": "available, installed, present",
    r"believed( in)?": "considered, trusted",
    r"owed to": "caused by, attributed to",
    r"told apart": "distinguished",
    r"tell(s|ing)? apart": "distinguish",
    r"gaps?": "middle (of an infilling prompt), or the difference itself",
    r"as of run": "the default itself; --help must stand alone",
    r"for want of": "without, because there is no",
    r"wishes": "options, requirements",
    r"(is|are|was|were|be) lent": "assigned, used by",
    r"lends?": "assign, give",
    r"of (its|their|our) own": "its own, their own, our own",
    r"takes? its turn": "runs next",
    r"in turns?": "one after another, round robin",
    r"one after the other": "one at a time, sequentially",
    r"where there (is|are) none": "if there is none",
    r"looks at": "uses, reads, checks",
    r"comes? about": "is chosen, happens",
    r"plainly": "clearly, or leave it out",
    r"nobody is": "no server answers",
    r"is told( of)?": "reports, is passed",
    r"so many": "the number's name",
    r"makes? of": "write the action itself",
    r"where nothing": "if nothing",
    r"tau": "threshold",
    r"a call a time": "one call at a time",
    r"an? \w+ a line": "one ... per line",
    r"unless told otherwise": "by default",
    r"as told": "as specified",
    r"say so|says so|said so": "name what is reported",
    r"none of its": "no ... of",
    r"as it stands": "unchanged",
    r"untold": "without a value",
    r"till": "until",
    r"likewise": "also",
    r"makes no sense": "is invalid",
    r"it is no \w+": "it is not a ...",
    r"gone wrong": "failed",
    r"wants no": "needs no, must not have",
    r"makes? sure of": "checks, ensures",
    r"heeds?": "respects, uses",
    r"dealt": "distributed",
    r"seldom": "rarely",
    r"whoever": "write who or what",
    r"(is|are) said( of)?": "write what reports it, and what",
    r"in one go": "at once, in one call",
    r"as new": "unchanged",
    r"thereof|therein|whereof|wherein|thereby|whereby": "write a full sentence",
}
"""A phrase (pattern, whole words, any case) to what to write instead."""

RULES = [(phrase, re.compile(rf"(?<![\w-]){phrase}(?![\w-])", re.IGNORECASE)) for phrase in PHRASES]


def main(arguments: list[str]) -> int:
    report = "--report" in arguments
    files = [argument for argument in arguments if not argument.startswith("--")] or tracked_files()
    allowed = read_allowed()
    used: set[tuple[str, str]] = set()
    count = 0
    for name in files:
        if not is_checked(name):
            continue
        for number, phrase, text in findings(ROOT / name):
            if (name, phrase) in allowed:
                used.add((name, phrase))
                continue
            count += 1
            print(f'{name}:{number}: "{text}": write {PHRASES[phrase]}')
    checked = set(files)
    for name, phrase in sorted(allowed - used):
        if name in checked or not (ROOT / name).exists():
            count += 1
            print(f"{ALLOWED.relative_to(ROOT)}: {name}: {phrase!r} is not needed any more; delete the line")
    print(f"check_words: {count} findings in {len(files)} files")
    return 0 if report or not count else 1


def tracked_files() -> list[str]:
    """The repository's files, relative to its root."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return listing.splitlines()


def is_checked(name: str) -> bool:
    return Path(name).suffix in CHECKED and not name.startswith(EXCLUDED) and (ROOT / name).is_file()


def findings(path: Path) -> list[tuple[int, str, str]]:
    """Line number, the rule's phrase and the text of each match in a file."""
    lines = enumerate(path.read_text().splitlines(), start=1)
    return [
        (number, phrase, match.group())
        for number, line in lines
        for phrase, pattern in RULES
        for match in pattern.finditer(line)
    ]


def read_allowed() -> set[tuple[str, str]]:
    """Pairs of a file and a phrase that may stay in it."""
    if not ALLOWED.exists():
        return set()
    lines = [line for line in ALLOWED.read_text().splitlines() if line and not line.startswith("#")]
    return {(name, phrase) for name, _, phrase in (line.partition(": ") for line in lines)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
