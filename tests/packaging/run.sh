#!/bin/sh
# Uses bight from outside, in each way that README promises: installed, with shared libraries and with static ones, and
# found by pkg-config (by a program that hides its own symbols) and by CMake; and as a Meson subproject that a wrap file
# brings. Looks at what a shared library exports. Prints what fails; the exit status tells.
#
#   sh tests/packaging/run.sh BUILD_DIRECTORY COMPILER [MESON_OPTION...]
#
# BUILD_DIRECTORY has bight, built with -Ddefault_library=both; what this makes is left in BUILD_DIRECTORY/from_outside.
# shellcheck disable=SC2317 # the functions are called by name
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname "$(dirname "$here")")
built=$(CDPATH='' cd -- "$1" && pwd)
compiler=$2
shift 2
stage=$built/from_outside
rm -rf "$stage"
mkdir -p "$stage"

# The folder in $1, the place of an installation, that has file $2.
folder_of() { dirname "$(find "$1" -name "$2" ! -name '*.py' | head -n 1)"; }

shared() {
    meson install --quiet -C "$built" --no-rebuild --destdir "$stage/shared" && used_by shared
}

# Installed as README says. It is the same code as in $built: compiled once, it can as well be copied from there.
static() {
    CXX=$compiler meson setup "$stage/static_build" "$root" --buildtype=release -Dtests=disabled -Dsamples=disabled \
        -Dtools=disabled --prefix=/usr --libdir=lib &&
        cp "$built"/lib/libbight*.a "$stage/static_build/lib/" &&
        meson install --quiet -C "$stage/static_build" --no-rebuild --destdir "$stage/static" &&
        used_by static
}

# What is installed in $stage/$1 is found by each.
used_by() {
    installed=$stage/$1
    LD_LIBRARY_PATH=$(folder_of "$installed" 'libbight.*')
    export LD_LIBRARY_PATH
    by_pkg_config "$1" && by_cmake "$1"
}

by_pkg_config() {
    PKG_CONFIG_PATH=$(folder_of "$installed" bight.pc)
    PKG_CONFIG_SYSROOT_DIR=$installed
    export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
    # shellcheck disable=SC2046 # a list of words
    "$compiler" -std=c++20 -O0 -fvisibility=hidden -fvisibility-inlines-hidden -c -o "$stage/$1.o" \
        "$here/consumer.cpp" $(pkg-config --cflags bight) &&
        "$compiler" -o "$stage/$1_bight" "$stage/$1.o" $(pkg-config --libs bight) &&
        "$compiler" -o "$stage/$1_sim" "$stage/$1.o" $(pkg-config --libs bight-sim) &&
        runs "$stage/$1_bight" "$stage/$1_sim"
}

# Found by a symbolic link, as on systems where /lib is one to /usr/lib.
by_cmake() {
    ln -s "$(folder_of "$installed" bightConfig.cmake)/../.." "$stage/$1_lib" &&
        cmake -S "$here" -B "$stage/$1_cmake" -DCMAKE_CXX_COMPILER="$compiler" -Dbight_DIR="$stage/$1_lib/cmake/bight" &&
        cmake --build "$stage/$1_cmake" &&
        runs "$stage/$1_cmake/uses_bight" "$stage/$1_cmake/uses_sim" &&
        cmake -DFOLDER="$stage/$1_lib/cmake/bight" -P "$here/versions.cmake"
}

# Without the simulation ($1) a program says what is missing, with it ($2) it runs in a world of its own.
runs() {
    "$1" && "$2" && BIGHT_REACTOR=sim:1 "$2" || return
    if BIGHT_REACTOR=sim:1 "$1" 2>"$stage/refused"; then
        echo "BIGHT_REACTOR=sim:1 was taken by $1, which is not linked with bight-sim"
        return 1
    fi
    grep -F 'link bight-sim' "$stage/refused" || { cat "$stage/refused" && return 1; }
}

# The whole tree, as a wrap would bring it.
subproject() {
    project=$stage/project
    mkdir -p "$project/subprojects/packagefiles" &&
        cp "$here/meson.build" "$here/consumer.cpp" "$project" &&
        cp "$here/bight.wrap" "$project/subprojects" &&
        tar -C "$root" --exclude='./build*' --exclude=./.git --transform 's|^\.|bight-0.1.0|' \
            -czf "$project/subprojects/packagefiles/bight-0.1.0.tar.gz" . &&
        CXX=$compiler meson setup "$project/build" "$project" --force-fallback-for=bight,bight-sim "$@" &&
        python3 "$here/targets.py" "$project/build" library &&
        ninja -C "$project/build" -j "${JOBS:-2}" &&
        meson test -C "$project/build" --no-rebuild --print-errorlogs &&
        meson configure "$project/build" -Dbight:tools=enabled -Dbight:samples=enabled -Dbight:tests=enabled &&
        ninja -C "$project/build" build.ninja &&
        python3 "$here/targets.py" "$project/build" everything
}

# What a public header declares is there, what only the library's own headers do is not.
exports() {
    library=$(find "$stage/shared" -name 'libbight.so*' ! -name '*.py' -type f | head -n 1)
    nm -D -C --defined-only "$library" >"$stage/production"
    if grep -F 'bight::sim::' "$stage/production"; then
        echo 'the library has parts of the simulation'
        return 1
    fi
    nm -D -C --defined-only "$(find "$stage/shared" -name 'libbight-sim.so*' ! -name '*.py' -type f | head -n 1)" |
        cat "$stage/production" - >"$stage/exported"
    for public in 'bight::reactor::reactor(' 'bight::connect(' 'bight::outbox::send(' 'bight::probe_platform(' \
        'bight::sim::world::run()' 'vtable for bight::transport' 'typeinfo for bight::aggregate_error'; do
        grep -qF "$public" "$stage/exported" || { echo "not exported: $public" && return 1; }
    done
    for private in socket_transport detail::readiness kernel_socket_calls simulated_sockets; do
        if grep -F "$private" "$stage/exported"; then
            echo "exported: $private"
            return 1
        fi
    done
}

# try WAY [ARGUMENT...]: what it prints, only when it fails.
try() {
    ("$@") >"$stage/$1.log" 2>&1 && return
    echo "bight cannot be used ($1):"
    cat "$stage/$1.log"
    return 1
}

# The subproject beside the others, which keep one processor busy.
try subproject "$@" &
status=0
for way in shared static exports; do
    try "$way" || status=1
done
wait $! || status=1
exit $status
