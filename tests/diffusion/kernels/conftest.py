"""Collects interpreted tests only under TRITON_INTERPRET=1: Triton reads it at import, once per process."""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["interpreted/*"]
