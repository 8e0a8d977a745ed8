#!/usr/bin/env bash
# Runs the tests with containers in one process and the others in a second one, then those that failed again, alone:
# tests of time limits can fail on a busy machine. The output of the second process follows that of the first.
set -uo pipefail
pytest=$1 selection=$2
# run NAME MARKS [ARGUMENT ...]: each process remembers what failed in its own cache.
run() { "$pytest" -o cache_dir=".pytest_cache/$1" -m "($selection) and $2" "${@:3}"; }
again() { run "$1" "$2" --last-failed --last-failed-no-failures none; }
output=$(mktemp)
trap 'rm -f "$output"' EXIT
run others "not docker" > "$output" 2>&1 &
run containers docker
containers=$?
wait $!
others=$?
cat "$output"
failed=0
[ $containers = 0 ] || again containers docker || failed=1
[ $others = 0 ] || again others "not docker" || failed=1
exit $failed
