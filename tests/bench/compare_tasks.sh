#!/bin/sh
# Runs `tasks`, `tasks_untraced` (the same without the line of each await) and other programs that print lines
# "NAME NANOSECONDS", in turn, and prints the median of each figure over the rounds, and two ratios: to the first of
# the other programs, and to bight's own `call`. Quote the ratios: on a shared machine the other figures drift.
# usage: compare_tasks.sh BUILD_DIR [PROGRAM...]
# environment: ROUNDS (5)
set -eu

build=${1:?usage: compare_tasks.sh BUILD_DIR [PROGRAM...]}
shift
results=$(mktemp)
trap 'rm -f "$results"' EXIT
trap 'exit 1' INT TERM

measure() {
    "$1" | awk -v program="$(basename "$1")" '$1 != "parked" && $2 + 0 > 0 { print program, $1, $2 }' >>"$results"
}

round=0
while [ "$round" -lt "${ROUNDS:-5}" ]; do
    round=$((round + 1))
    echo "round $round of ${ROUNDS:-5}" >&2
    for program in "$build/tests/bench/tasks" "$build/tests/bench/tasks_untraced" "$@"; do measure "$program"; done
done

awk -v peer="$(basename "${1:-}")" '
    function median(key, i, j, n, swap, list) {
        n = count[key]
        for (i = 1; i <= n; i++) list[i] = value[key, i]
        for (i = 1; i <= n; i++)
            for (j = i + 1; j <= n; j++)
                if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    {
        key = $1 " " $2
        if (!(key in count)) order[++keys] = key
        value[key, ++count[key]] = $3
    }
    END {
        printf "%-28s %10s  %-24s %s\n", "", "median", "to " (peer ? peer : "-"), "to call"
        for (k = 1; k <= keys; k++) {
            split(order[k], part, " ")
            other = peer " " part[2]
            ratio = other in count && part[1] != peer ? sprintf("%.3f", median(order[k]) / median(other)) : "-"
            printf "%-28s %10.1f  %-24s %.2f\n", order[k], median(order[k]), ratio, median(order[k]) / median("tasks call")
        }
    }' "$results"
