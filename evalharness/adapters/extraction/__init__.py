"""Extraction of programs from a model's output, by the rule that the task's recipe names in its field `extraction`."""
