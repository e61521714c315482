#!/bin/sh
# Uses bight from outside, in the two ways that README promises: installed and found by pkg-config (by a program that
# hides its own symbols), and as a Meson subproject. Looks at what a shared library exports. Prints what fails; the exit
# status tells.
#
#   sh tests/packaging/run.sh BUILD_DIRECTORY COMPILER [MESON_OPTION...]
#
# BUILD_DIRECTORY has bight, built; what this makes is left in BUILD_DIRECTORY/packaging.
# shellcheck disable=SC2317 # the functions are called by name
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
built=$(CDPATH='' cd -- "$1" && pwd)
compiler=$2
shift 2
stage=$built/packaging
rm -rf "$stage"
mkdir -p "$stage"

installed() {
    meson install -C "$built" --no-rebuild --destdir "$stage/installed" || return
    PKG_CONFIG_PATH=$(dirname "$(find "$stage/installed" -name bight.pc)")
    PKG_CONFIG_SYSROOT_DIR=$stage/installed
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    LD_LIBRARY_PATH=$(dirname "$(find "$stage/installed" -name 'libbight.*' | head -n 1)")
    export LD_LIBRARY_PATH
    consumer bight && "$stage/bight" || return
    # Without the simulation it says what is missing, with it the same program runs in a world of its own.
    if BIGHT_REACTOR=sim:1 "$stage/bight" 2>"$stage/refused"; then
        echo 'BIGHT_REACTOR=sim:1 was taken by a program that is not linked with bight-sim'
        return 1
    fi
    grep -F 'link bight-sim' "$stage/refused" || { cat "$stage/refused" && return 1; }
    consumer bight-sim && "$stage/bight-sim" && BIGHT_REACTOR=sim:1 "$stage/bight-sim"
}

# Compiled by what pkg-config says of the library $1, and called like it.
consumer() {
    flags=$(pkg-config --cflags --libs "$1") || return
    # shellcheck disable=SC2086 # a list of words
    "$compiler" -std=c++20 -O0 -fvisibility=hidden -fvisibility-inlines-hidden \
        -o "$stage/$1" "$here/consumer.cpp" $flags
}

# Only what a release of the library alone would have: a build that looked for the tests or the samples would fail.
subproject() {
    mkdir -p "$stage/project/subprojects/bight" &&
        cp "$here/meson.build" "$here/consumer.cpp" "$stage/project" &&
        cp -R "$root/meson.build" "$root/meson_options.txt" "$root/include" "$root/lib" \
            "$stage/project/subprojects/bight" &&
        CXX=$compiler meson setup "$stage/project/build" "$stage/project" "$@" &&
        ninja -C "$stage/project/build" -j "${JOBS:-2}" &&
        meson test -C "$stage/project/build" --no-rebuild --print-errorlogs
}

# What a public header declares is there, what only the library's own headers do is not.
exports() {
    library=$(find "$stage/installed" -name 'libbight.so*' -type f | head -n 1)
    [ -n "$library" ] || return 0
    nm -D -C --defined-only "$library" >"$stage/production"
    if grep -F 'bight::sim::' "$stage/production"; then
        echo 'the library has parts of the simulation'
        return 1
    fi
    nm -D -C --defined-only "$(find "$stage/installed" -name 'libbight-sim.so*' -type f | head -n 1)" |
        cat "$stage/production" - >"$stage/exported"
    for public in 'bight::reactor::reactor(' 'bight::connect(' 'bight::outbox::send(' 'bight::sim::world::run()' \
        'vtable for bight::transport' 'typeinfo for bight::aggregate_error'; do
        grep -qF "$public" "$stage/exported" || { echo "not exported: $public" && return 1; }
    done
    for private in socket_transport readiness kernel_socket_calls simulated_sockets; do
        if grep -F "$private" "$stage/exported"; then
            echo "exported: $private"
            return 1
        fi
    done
}

status=0
for way in installed subproject exports; do
    if ! ("$way" "$@") >"$stage/$way.log" 2>&1; then
        echo "bight cannot be used ($way):"
        cat "$stage/$way.log"
        status=1
    fi
done
exit $status
