#!/bin/sh
# Installs what the benchmarks compare with, builds everything with optimisation, measures, and writes docs/benchmarks;
# `sh tests/run.sh bench` runs it.
#
#   sh tests/run.sh bench [--quick] [--rounds N] [--seconds S] [--out FOLDER] [THEME...]
#
# tests/bench/suite.py says what each is for. The whole takes about half an hour, 13 minutes of it for the many connections.
# The last line is "N passed, N failed", in themes.
#
# Environment: JOBS, how many processes build side by side (2); GXX, the compiler, where the choice of .ci/compilers.sh
# will not do.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)

. "$root/.ci/compilers.sh"
. "$root/.ci/packages.sh"
. "$root/.ci/build_directory.sh"

choose_gxx() {
    # shellcheck disable=SC2086 # a list of words
    choose g++ $gxx_names
}

header() { echo "#include <$1>" | ${chosen:-g++} -E -x c++ - -o /dev/null; }

needs() {
    [ -n "${GXX:-}" ] || need g++ "g++ $oldest_gxx or later" choose_gxx
    need_build_tools
    need python3 'Python 3.9 or later' command -v python3
    need valgrind 'valgrind, which counts instructions' command -v valgrind
    need strace 'strace, which counts system calls' command -v strace
    need libasio-dev 'Asio, to be compared with' header asio.hpp
    need libuv1-dev 'libuv, to be compared with' pkg-config --exists libuv
    need libevent-dev 'libevent, to be compared with' pkg-config --exists libevent_core
    need haproxy 'HAProxy, to be compared with' command -v haproxy
}

case ${1:-} in
-h | --help) exec python3 "$root/tests/bench/suite.py" --help ;;
esac

# Before anything is installed or built.
if command -v python3 >/dev/null; then
    python3 "$root/tests/bench/suite.py" "$root/build/bench" --check "$@" || exit
fi
if [ -n "${GXX:-}" ]; then insist g++ GXX; fi
install_needs needs
[ -n "${GXX:-}" ] || choose_gxx || exit 2
echo "== g++: $chosen_line"

build=$root/build/bench
log=$root/build/bench.log
mkdir -p "$root/build"
echo "== building in $build"
{
    set_up "$build" "$chosen" -Dbuildtype=release -Ddefault_library=static -Dunity=on -Dunity_size=24 -Dbenchmarks=enabled \
        -Dtests=disabled -Dsamples=enabled -Dtools=disabled &&
        # What has been installed since is found.
        meson configure "$build" --clearcache && meson setup --reconfigure "$build" &&
        ninja -C "$build" -j "${JOBS:-2}" benchmarks samples/keepalive
} >"$log" 2>&1 || {
    tail -n 60 "$log"
    echo "run.sh: the build failed; all of it is in $log" >&2
    exit 1
}
exec python3 "$root/tests/bench/suite.py" "$build" --compiler "$chosen" "$@"
