"""Runs as records of the Every Eval Ever schema, version 0.3.0 (https://github.com/evaleval/every_eval_ever)."""
