"""Exports runs in the Every Eval Ever schema, version 0.3.0 (https://github.com/evaleval/every_eval_ever)."""
