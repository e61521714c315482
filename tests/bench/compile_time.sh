#!/bin/sh
# How long the echo server takes to compile at -O0, and how long the standard headers that bight includes take alone: the median
# of several compilations of each, and their ratio.
# usage: compile_time.sh [COMPILER]    COMPILER: $CXX, else c++
# environment: ROUNDS (5)
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
compiler=${1:-${CXX:-c++}}
rounds=${ROUNDS:-5}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

cat >"$scratch/echo.cpp" <<'PROGRAM'
#include <bight/bight.hpp>

bight::task<> echo(bight::stream peer) {
    while (auto chunk = co_await peer.read_some()) co_await peer.write(chunk);
}

int main() { return bight::run(bight::serve("tcp:8123", echo)); }
PROGRAM

flags="-std=c++20 -O0 -foptimize-sibling-calls -DBIGHT_SIBLING_CALLS -I$root/include"
# shellcheck disable=SC2086
$compiler $flags -M "$scratch/echo.cpp" | tr ' \\' '\n\n' | grep '/bight/.*\.hpp$' |
    xargs sed -n 's/^#include <\([a-z_]*\)>.*/#include <\1>/p' | sort -u >"$scratch/standard.cpp"
echo 'int main() {}' >>"$scratch/standard.cpp"

# Milliseconds for one compilation of $1.
compile() {
    from=$(date +%s%N)
    # shellcheck disable=SC2086
    $compiler $flags -c "$scratch/$1.cpp" -o "$scratch/$1.o"
    echo $((($(date +%s%N) - from) / 1000000))
}

median() { sort -n "$scratch/$1.times" | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] }'; }

round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    compile echo >>"$scratch/echo.times"
    compile standard >>"$scratch/standard.times"
done
echo "$(median echo) $(median standard)" |
    awk '{ printf "echo server: %d ms; its standard headers alone: %d ms; ratio %.2f\n", $1, $2, $1 / $2 }'
