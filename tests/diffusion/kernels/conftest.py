"""Kernels are interpreted or compiled by what the environment says when Triton is imported, so not in one process."""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["interpreted/*"]
