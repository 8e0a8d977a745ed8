"""The scripts and style sheets of the report page, which the other pages of the project share."""

from pathlib import Path

STATIC = Path(__file__).with_name("static")
