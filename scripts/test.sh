#!/usr/bin/env bash
# Runs most tests with containers in one process; the others, and the rest of those with containers, in a second one, so
# that both take about as long. Then those that failed run again, alone: tests of time limits can fail on a busy machine.
# The output of the second process follows that of the first, and the coverage by unit tests comes last: measuring it for
# all tests would slow down what is timed.
set -uo pipefail
pytest=$1 selection=$2
cd "$(dirname "$0")/.."
unit=()
for folder in adapters bench data generation metrics report/compare report/frontier report/leaderboard util; do
    unit+=("tests/$folder")
done
moved=(tests/cli tests/grading_service tests/model_server)
# run NAME MARKS [ARGUMENT ...]: each process remembers what failed in its own cache.
run() { "$pytest" -o cache_dir=".pytest_cache/$1" -m "($selection) and $2" "${@:3}"; }
again() { run "$1" "$2" --last-failed --last-failed-no-failures none; }
second_process() {
    local failed=0
    run units "not docker" --cov --cov-report= "${unit[@]}" || failed=1
    run others "not docker" "${unit[@]/#/--ignore=}" || failed=$((failed + 2))
    run moved docker "${moved[@]}" || failed=$((failed + 4))
    return $failed
}
output=$(mktemp)
trap 'rm -f "$output"' EXIT
second_process > "$output" 2>&1 &
run containers docker "${moved[@]/#/--ignore=}"
containers=$?
wait $!
second=$?
cat "$output"
failed=0
[ $containers = 0 ] || again containers docker || failed=1
[ $((second & 1)) = 0 ] || again units "not docker" || failed=1
[ $((second & 2)) = 0 ] || again others "not docker" || failed=1
[ $((second & 4)) = 0 ] || again moved docker || failed=1
echo "coverage of the package by the unit tests: $("${pytest%pytest}coverage" report --format=total) %"
exit $failed
