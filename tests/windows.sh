#!/bin/sh
# Builds the library, the samples and the tests for Windows, and runs them under Wine; `sh tests/run.sh windows` runs it.
#
#   sh tests/windows.sh [--short] [--gcc | --clang] [WORD...]
#
#   --short  io and demux, with one compiler
#   --gcc    with g++; --clang, with clang 19, which takes two thirds of the time, and is the choice without either when
#            there is --short
#   WORD     only tests whose name contains one of the words: core, net/connect
#
# The compilers are in tests/cross, with the library of mingw-w64; without --short, the other one builds everything, too. Wine
# needs no display. It has a prefix of its own in build/wineprefix, with a server that is started and ended here. Tests that
# are about what only other systems have are left out: tests/not_on_windows.txt; what Wine does not do as Windows does is in
# tests/cross/wine_gaps.txt. The samples converse with clients and servers of this machine, and their transcripts are compared
# with those of this machine's samples. What is missing is installed with apt. The last line is "N passed, N failed": test
# cases, and conversations.
#
# Environment: JOBS, how many processes build side by side (2), three times as many test; CXX, the compiler of this machine's
# samples. Ends with status 2 where what it needs cannot be installed.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
jobs=${JOBS:-2}
short=
compiler=
words=
for argument in "$@"; do
    case $argument in
    --short) short=yes ;;
    --gcc) compiler=gcc ;;
    --clang) compiler=clang ;;
    -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) words="$words $argument" ;;
    esac
done
# The rooms in which the system's part of bight is tried most.
if [ -n "$short" ] && [ -z "$words" ]; then words='io/ demux/'; fi
if [ -z "$compiler" ]; then compiler=$([ -n "$short" ] && echo clang || echo gcc); fi

. "$root/.ci/packages.sh"
. "$root/.ci/build_directory.sh"

wine_server=/usr/lib/wine/wineserver64
needs() {
    need_build_tools
    need g++-mingw-w64-x86-64-posix 'g++ for Windows' command -v x86_64-w64-mingw32-g++-posix
    need wine 'Wine' command -v wine
    need wine64 'Wine for programs of 64 bits' test -x $wine_server
    need catch2 'Catch2 2.13' test -e /usr/include/catch2/catch.hpp
    need python3 'Python, which runs the tests' command -v python3
    need telnet 'a telnet client, for the samples' command -v telnet
    need netcat-openbsd 'OpenBSD netcat, for the samples' command -v nc
    if [ -z "$short" ] || [ $compiler = clang ]; then
        need clang-19 'clang 19' command -v clang++-19
        need lld-19 'its linker' command -v ld.lld-19
    fi
}
install_needs needs
if [ -n "$missing" ]; then
    echo "windows.sh: cannot be had here:$missing"
    exit 2
fi

passed=0
failed=0
fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
}

# add_up FILE: of a program whose last line is "N passed, N failed".
add_up() {
    last=$(tail -n 1 "$1")
    case $last in
    *' passed, '*' failed')
        passed=$((passed + ${last%% passed*}))
        last=${last#* passed, }
        failed=$((failed + ${last%% failed}))
        ;;
    *) fail "$1 ends without its last line" ;;
    esac
}

# build NAME [TARGET...]: with the options in `options`, into build/NAME.
build() {
    name=$1
    shift
    log=$root/build/$name.log
    mkdir -p "$root/build"
    echo "== $name: building"
    started=$(date +%s)
    # shellcheck disable=SC2086 # a list of words
    {
        set_up "$root/build/$name" "$build_compiler" $options && ninja -C "$root/build/$name" -k 0 -j "$jobs" "$@"
    } >"$log" 2>&1
    status=$?
    echo "== $name: building took $(($(date +%s) - started)) s"
    [ $status -eq 0 ] && return 0
    fail "$name: the build failed"
    tail -n 60 "$log"
    return 1
}

# One piece of many files compiles faster; nothing of the programs but the lines of a crash is looked at.
pieces='-Dtest_files_together=4 -Dbenchmarks=disabled -Dunity=on -Dunity_size=24 -Dtools=disabled -Dvalgrind=disabled -Dio_uring=disabled -Dwerror=false'
for_windows() {
    build_compiler=${CXX:-g++}  # of this machine; the cross file names the other
    options="--cross-file $root/tests/cross/mingw-$1.ini -Ddebug=false $pieces"
}

# Its services outlive a server that has ended by itself: whatever was given this prefix, or a copy of it.
end_wine() {
    [ -n "${WINEPREFIX:-}" ] || return
    "$wine_server" -k >/dev/null 2>&1
    for process in /proc/[0-9]*; do
        if tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -q "^WINEPREFIX=$WINEPREFIX" && [ "${process#/proc/}" -ne $$ ]; then
            case $(cat "$process/comm" 2>/dev/null) in
            *.exe | wineserver*) kill -KILL "${process#/proc/}" 2>/dev/null ;;
            esac
        fi
    done
}

start_wine() {
    export WINEPREFIX="$root/build/wineprefix" WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=d;mshtml=d' WINESERVER="$wine_server"
    unset DISPLAY
    trap end_wine EXIT
    trap 'exit 1' INT TERM
    "$wine_server" -p </dev/null >/dev/null 2>&1
    # The first process: what it starts would hold on to a pipe.
    wine wineboot -i </dev/null >/dev/null 2>&1
    # What it knows is written down when it ends.
    "$wine_server" -k >/dev/null 2>&1
    "$wine_server" -w >/dev/null 2>&1
    "$wine_server" -p </dev/null >/dev/null 2>&1
}

# Sets targets: the programs of the rooms that were asked for.
targets=
if [ -n "$words" ]; then
    for word in $words; do
        case $word in
        core* | thread* | service*) targets="$targets tests/runtime_tests.exe" ;;
        generator*) targets="$targets tests/sync_tests.exe" ;;
        */*) targets="$targets tests/${word%%/*}_tests.exe" ;;
        *) targets="$targets tests/${word}_tests.exe" ;;
        esac
    done
    targets=$(printf '%s\n' $targets | sort -u)
    for sample in broadcast broadcast_client chat echo greeter; do targets="$targets samples/$sample.exe"; done
fi

# say_size COMPILER: how large the echo sample is, as one would deliver it.
say_size() {
    for_windows "$1"
    options="$options -Dbuildtype=release -Dtests=disabled"
    if build "windows-release-$1" samples/echo.exe; then
        passed=$((passed + 1))
        made=$root/build/windows-release-$1/samples/echo.exe
        x86_64-w64-mingw32-strip -o "$made.stripped" "$made"
        echo "== echo.exe of $1, release: $(wc -c <"$made") bytes, stripped $(wc -c <"$made.stripped")"
    fi
}

for_windows $compiler
options="$options -Dbuildtype=debug -Doptimization=${WINDOWS_OPTIMIZATION:-0}"
tested=windows-$compiler
# shellcheck disable=SC2086 # a list of words
if build "$tested" $targets; then
    start_wine
    echo "== $tested: testing under $(wine --version)"
    results=$root/build/$tested.results
    # shellcheck disable=SC2086 # a list of words
    python3 "$root/tests/cross/under_wine.py" --jobs $((3 * jobs)) --gaps "$root/tests/cross/wine_gaps.txt" \
        --left-out "$root/tests/not_on_windows.txt" --slow "$root/build/$tested" $words >"$results" 2>&1
    cat "$results"
    add_up "$results"

    # The samples of this machine, of a build that is there, or of one of their own.
    native=$root/build/gcc/samples
    if [ ! -x "$native/greeter" ]; then
        native=$root/build/native/samples
        build_compiler=${CXX:-g++}
        options="$pieces -Dtests=disabled -Dbuildtype=debug"
        build native
    fi
    echo "== $tested: conversations of the samples"
    conversations=$root/build/$tested.conversations
    python3 "$root/tests/cross/converse.py" "$native" "$root/build/$tested/samples" >"$conversations" 2>&1
    cat "$conversations"
    add_up "$conversations"
fi

if [ -z "$short" ] && [ -z "$words" ]; then
    # Only compiled and linked: what it makes runs the same.
    other=$([ $compiler = gcc ] && echo clang || echo gcc)
    for_windows "$other"
    options="$options -Dbuildtype=debug"
    if build "windows-$other"; then passed=$((passed + 1)); fi
    say_size gcc
    say_size clang
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
