#!/usr/bin/env bash
# Makes the runs that the documentation's pictures show: HumanEval's official solutions, and the bundled network decoded
# autoregressively, with drafts, and by diffusion. Runs that exist are kept. Usage: scripts/pictures/runs.sh EVALHARNESS OUT
set -euo pipefail
evalharness=$1
out=$2
export OMP_NUM_THREADS=1 # the network is small, so that a second thread only adds noise
"$evalharness" run --task humaneval --backend reference --out "$out/reference"
"$evalharness" run --task humaneval --backend ar --out "$out/ar"
"$evalharness" run --task humaneval --backend ar --option draft=8 --out "$out/drafted"
"$evalharness" sweep --task humaneval --backend diffusion --option trace=true --option threshold=0.5,0.7,0.9 \
    --out "$out/diffusion"
