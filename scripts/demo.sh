#!/usr/bin/env bash
# Runs the main job: on the real data if EVALHARNESS_DATA names it, else on the bundled sample.
set -euo pipefail
evalharness=$1
data=()
[ -n "${EVALHARNESS_DATA:-}" ] || data=(--data sample)
rm -rf results/demo
"$evalharness" run --task humaneval,mbpp --backend reference "${data[@]}" --out results/demo
