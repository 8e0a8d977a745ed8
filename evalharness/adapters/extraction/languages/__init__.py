"""Extraction of functions in the languages of MultiPL-E, by tree-sitter grammars."""
