"""Measures the speed of a backend alone: real prompts at several concurrencies, nothing is graded.

`runner.py` measures the levels one at a time, `levels.py` calculates their figures, `workload.py` makes the prompts.
"""
