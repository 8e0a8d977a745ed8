#!/usr/bin/env bash
# Shows the harness end to end: the official solutions, which must all pass, on the real data if EVALHARNESS_DATA names
# it; then the bundled network, decoded one token after the other and by diffusion, side by side on the bundled sample.
set -euo pipefail
evalharness=$1
out=results/demo
data=()
[ -n "${EVALHARNESS_DATA:-}" ] || data=(--data sample)
rm -rf "$out"
"$evalharness" run --task humaneval,mbpp --backend reference "${data[@]}" --out "$out/reference"
for backend in ar diffusion; do
    "$evalharness" run --task humaneval,mbpp --data sample --backend "$backend" --out "$out/$backend"
done
"$evalharness" leaderboard "$out/ar" "$out/diffusion"
"$evalharness" frontier "$out/ar" "$out/diffusion" --out "$out/frontier.html"
