#!/usr/bin/env bash
# Shows the harness end to end: the official solutions, which must all pass, on the real data if EVALHARNESS_DATA names
# it; then models decoded in several ways on the bundled sample: the bundled network one token after the other and by
# diffusion, and the code model that EVALHARNESS_BASE names, a GGUF file, folder or hub id, with and without drafts.
set -euo pipefail
evalharness=$1
out=results/demo
data=()
[ -n "${EVALHARNESS_DATA:-}" ] || data=(--data sample)
step() { printf '\n== %s\n' "$1"; }
rm -rf "$out"
step "The official solutions: all must pass."
"$evalharness" run --task humaneval,mbpp --backend reference "${data[@]}" --out "$out/reference"
step "The bundled network, one token after the other. It is far too small to solve problems: expect 0 % and warnings."
"$evalharness" run --task humaneval,mbpp --data sample --backend ar --out "$out/ar"
step "The same network by block diffusion: each pass writes all tokens that have a probability of at least 0.3."
"$evalharness" run --task humaneval,mbpp --data sample --backend diffusion --option block=8 --option threshold=0.3 \
    --out "$out/diffusion"
step "Both side by side."
"$evalharness" leaderboard "$out/ar" "$out/diffusion"
"$evalharness" frontier "$out/ar" "$out/diffusion" --out "$out/frontier.html"
if [ -z "${EVALHARNESS_BASE:-}" ]; then
    step "Done. Open $out/frontier.html in a browser; README.md goes on with a model of your own."
    echo "No code model was run, because EVALHARNESS_BASE is not set. Set it to Qwen/Qwen2.5-Coder-0.5B-Instruct, which is"
    echo "downloaded from the hub (1 GB), or to a GGUF file or folder of that model."
    exit
fi
step "The code model $EVALHARNESS_BASE, on four problems: autoregressive, then with drafts that it verifies: the same text."
code=(--task humaneval --data sample --limit 4 --model "$EVALHARNESS_BASE" --option recipe=chat --max-new-tokens 256)
"$evalharness" run "${code[@]}" --backend ar --out "$out/code/ar"
"$evalharness" run "${code[@]}" --backend diffusion --out "$out/code/diffusion"
"$evalharness" compare "$out/code/ar" "$out/code/diffusion"
