#!/bin/sh
# User-space instructions for each echo on epoll, counted by valgrind's callgrind: the one figure that a busy machine
# does not change. It is the difference of a long and a short run, so starting and ending do not count. Not for io_uring:
# what is done there in the kernel is not seen, and valgrind knows little of it.
# usage: instructions.sh BUILD_DIR [PROGRAM...]    PROGRAM: another echo server, started as `PROGRAM PORT`
# environment: CONNECTIONS (64), SIZE (64, in bytes), DEPTH (1)
set -eu

build=${1:?usage: instructions.sh BUILD_DIR [PROGRAM...]}
shift
programs=$build/tests/bench
command -v valgrind >/dev/null || { echo "instructions.sh needs valgrind" >&2; exit 2; }
scratch=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid" 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

# count PROGRAM SECONDS: prints "requests instructions".
count() {
    port=$("$programs/load" free-port)
    valgrind --tool=callgrind --callgrind-out-file="$scratch/counts" "$1" "$port" >"$scratch/log" 2>&1 &
    pid=$!
    total=$("$programs/load" "$port" "${CONNECTIONS:-64}" "${SIZE:-64}" "${DEPTH:-1}" "$2" |
        sed 's/.*total=\([0-9]*\).*/\1/')
    kill -TERM "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
    echo "$total $(sed -n 's/^\(summary\|totals\): *\([0-9]*\).*/\2/p' "$scratch/counts" | head -n 1)"
}

export BIGHT_REACTOR=epoll
for program in "$programs/raw_epoll" "$programs/echo_server" "$@"; do
    short=$(count "$program" 1)
    long=$(count "$program" 4)
    echo "$(basename "$program") $short $long" |
        awk '{ printf "%-18s %7.0f instructions per echo (%d echoes)\n", $1, ($5 - $3) / ($4 - $2), $4 - $2 }'
done
