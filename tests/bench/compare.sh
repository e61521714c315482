#!/bin/sh
# Compares echo servers under the same load, in interleaved rounds: the server on CPU 0, the load on CPU 1.
# Prints, for each server, the medians, and the ratio of its CPU time per request to that of the bare system calls of
# the same kind. Quote the ratios: on a shared machine the other figures drift.
# usage: compare.sh BUILD_DIR [PROGRAM...]    PROGRAM: another echo server, started as `PROGRAM PORT`
# environment: ROUNDS (5), DURATION (3, in seconds), CONNECTIONS (64), SIZE (64, in bytes), DEPTH (1)
set -eu

build=${1:?usage: compare.sh BUILD_DIR [PROGRAM...]}
shift
programs=$build/tests/bench
rounds=${ROUNDS:-5}
results=$(mktemp)
pid=
trap 'test -z "$pid" || kill "$pid" 2>/dev/null; rm -f "$results"' EXIT
trap 'exit 1' INT TERM

on_cpu() {
    cpu=$1
    shift
    if [ "$(nproc)" -gt 1 ]; then exec taskset -c "$cpu" "$@"; else exec "$@"; fi
}

# measure NAME COMMAND...
measure() {
    name=$1
    shift
    port=$("$programs/load" free-port)
    (on_cpu 0 "$@" "$port") &
    pid=$!
    line=$( (on_cpu 1 "$programs/load" "$port" "${CONNECTIONS:-64}" "${SIZE:-64}" "${DEPTH:-1}" "${DURATION:-3}" "$pid") )
    kill -TERM "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
    echo "$name $line" >>"$results"
}

round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds" >&2
    measure raw_epoll "$programs/raw_epoll"
    for kind in epoll poll select; do
        BIGHT_REACTOR=$kind measure "bight/$kind" "$programs/echo_server"
    done
    if [ -x "$programs/raw_uring" ]; then
        measure raw_uring "$programs/raw_uring"
        BIGHT_REACTOR=io_uring measure bight/io_uring "$programs/echo_server"
    fi
    for program in "$@"; do measure "$(basename "$program")" "$program"; done
done

awk '
    function median(name, field, i, j, n, swap, list) {
        n = rounds[name]
        for (i = 1; i <= n; i++) list[i] = value[name, field, i] + 0
        for (i = 1; i <= n; i++)
            for (j = i + 1; j <= n; j++)
                if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    {
        if (!($1 in rounds)) order[++names] = $1
        ++rounds[$1]
        for (f = 2; f <= NF; f++) {
            split($f, pair, "=")
            value[$1, pair[1], rounds[$1]] = pair[2]
        }
    }
    END {
        printf "%-18s %10s %9s %9s %12s  %s\n", "server", "requests/s", "p50 us", "p99 us", "CPU us/req", "ratio"
        for (n = 1; n <= names; n++) {
            name = order[n]
            raw = name ~ /uring/ && ("raw_uring" in rounds) ? "raw_uring" : "raw_epoll"
            cpu = median(name, "cpu")
            printf "%-18s %10.0f %9.1f %9.1f %12.3f  %.2f x %s\n", name, median(name, "rate"), median(name, "p50"),
                median(name, "p99"), cpu, cpu / median(raw, "cpu"), raw
        }
    }' "$results"
