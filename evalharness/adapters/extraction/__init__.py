"""Extraction of programs from a model's output, by the rule that a recipe names in its field `extraction`."""
