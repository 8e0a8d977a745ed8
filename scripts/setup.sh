#!/usr/bin/env bash
# Makes the virtual environment. On a machine without CUDA it uses the installed torch, if there is one, or a CPU
# build, so that no CUDA packages are downloaded.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: Python 3.11 or newer is needed; set PYTHON to one" >&2
    exit 2
}
if [ ! -x "$venv/bin/python" ]; then
    site=()
    "$python" -c 'import torch' 2>/dev/null && site=(--system-site-packages)
    "$python" -m venv "${site[@]}" "$venv" || {
        echo "error: no virtual environment could be made; on Debian: apt-get install python3-venv" >&2
        exit 2
    }
fi

has_torch() { "$venv/bin/python" -c 'import torch' 2>/dev/null; }
cpu_torch=torch==2.13.0+cpu
if ! has_torch && [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    echo "setup: no CUDA here, installing a CPU build of torch"
    "$venv/bin/pip" install -qq "$cpu_torch" 2>/dev/null || {
        "$venv/bin/pip" install -qq uv
        "$venv/bin/uv" pip install -qq --python "$venv/bin/python" --torch-backend=cpu torch
    }
    has_torch || { echo "error: no CPU build of torch could be installed; install one and run again" >&2; exit 2; }
fi
echo "setup: installing evalharness"
"$venv/bin/pip" install -qq -e '.[dev]'
