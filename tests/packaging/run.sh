#!/bin/sh
# Uses bight from outside, in the two ways that README promises: installed and found by pkg-config, and as a Meson
# subproject. Prints what fails; the exit status tells.
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
    flags=$(pkg-config --cflags --libs bight) || return
    # shellcheck disable=SC2086 # a list of words
    "$compiler" -std=c++20 -O0 -o "$stage/consumer" "$here/consumer.cpp" $flags &&
        LD_LIBRARY_PATH=$(dirname "$(find "$stage/installed" -name 'libbight.*' | head -n 1)") "$stage/consumer"
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

status=0
for way in installed subproject; do
    if ! ("$way" "$@") >"$stage/$way.log" 2>&1; then
        echo "bight cannot be used ($way):"
        cat "$stage/$way.log"
        status=1
    fi
done
exit $status
