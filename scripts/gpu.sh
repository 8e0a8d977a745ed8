#!/usr/bin/env bash
# Runs a benchmark on a GPU: with the environment's Python where its torch sees the GPU, else with the machine's own.
# Neither the network nor an installation is needed where one of them has torch, Triton and transformers.
set -euo pipefail
cd "$(dirname "$0")/.."
has() { "$1" -c 'import sys, torch, triton; sys.exit(not torch.cuda.is_available())' 2>/dev/null; }
for python in .venv/bin/python "${PYTHON:-python3}"; do
    if has "$python"; then
        export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
        exec "$python" "$@"
    fi
done
echo "gpu.sh: no Python here has Triton and a torch that sees a GPU; set PYTHON to one that has" >&2
exit 2
