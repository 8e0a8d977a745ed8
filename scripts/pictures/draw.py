#!/usr/bin/env python
"""Draws the documentation's pictures of pages: scripts/pictures/draw.py FOLDER [report|arena|playground ...].

FOLDER has the runs that scripts/pictures/runs.sh makes. `make pictures` does both. Needs the extra `dev` and Chromium.
"""

import sys
from pathlib import Path

from arena import draw_arena
from browsing import IMAGES, chromium
from playground import draw_playground
from report import draw_report

from evalharness.report.runs import load_runs

PARTS = ("report", "arena", "playground")


def main(folder: Path, parts: list[str]) -> None:
    """Draws the parts that are named, by default all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        if "report" in parts:
            draw_report(browser, load_runs([folder / name for name in ("ar", "drafted", "diffusion")]))
        if "arena" in parts:
            folders = [folder / name for name in ("reference", "ar", "diffusion")]
            draw_arena(browser, load_runs(folders), folders)
        if "playground" in parts:
            draw_playground(browser)


if __name__ == "__main__":
    if not sys.argv[1:] or set(sys.argv[2:]) - set(PARTS):
        sys.exit(f"usage: scripts/pictures/draw.py FOLDER [{'|'.join(PARTS)} ...]")
    main(Path(sys.argv[1]), sys.argv[2:] or list(PARTS))
