"""`evalharness bench`: measures the speed of a backend with real prompts at several concurrencies, without grading.

`runner.py` measures the concurrency levels one at a time, `levels.py` calculates their figures, `workload.py` makes the
prompts.
"""
