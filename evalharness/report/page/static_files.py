"""The folder of the report page's scripts and style sheets, which the other web pages of the package share."""

from pathlib import Path

STATIC = Path(__file__).with_name("static")
