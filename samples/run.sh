#!/bin/sh
# Builds one sample and runs it:
#
#   sh samples/run.sh NAME [ARGUMENT...]
#
# What is missing to build it is installed with apt, where there is apt. The sample takes the place of this script:
# signals reach it, and its exit status is the script's. CXX names the compiler, where the choice of
# .ci/compilers.sh will not do.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
build=$root/build/samples
log=$build.log

list_samples() {
    echo 'usage: sh samples/run.sh NAME [ARGUMENT...]'
    echo 'samples:'
    for source in "$root"/samples/*.cpp; do
        name=$(basename "$source" .cpp)
        printf '  %-18s%s\n' "$name" "$(sed -n '1s|^// *||p' "$source")"
    done
}

case ${1:-} in
'' | -h | --help)
    list_samples
    [ $# -gt 0 ] && exit 0
    exit 2
    ;;
esac
name=$1
shift
case $name in
*[!a-z_]*) known=false ;;
*) [ -f "$root/samples/$name.cpp" ] && known=true || known=false ;;
esac
if ! $known; then
    { echo "there is no sample \"$name\"" && list_samples; } >&2
    exit 2
fi

. "$root/.ci/compilers.sh"
. "$root/.ci/packages.sh"
. "$root/.ci/build_directory.sh"

# Sets compiler, and what to say of it.
choose_compiler() {
    if [ -n "${CXX:-}" ]; then
        insist any CXX
    else
        # shellcheck disable=SC2086 # a list of words
        choose g++ $gxx_names || return
    fi
    compiler=$chosen
    compiler_line=$chosen_line
}

needs() {
    need g++ "g++ $oldest_gxx or later" choose_compiler
    need_build_tools
}

# Before anything is installed: a compiler that was named and cannot be used ends the script.
if [ -n "${CXX:-}" ]; then insist any CXX; fi
compiler=
install_needs needs
if [ -z "$compiler" ]; then
    echo "There is no compiler that can build bight: g++ $oldest_gxx or later, or clang $oldest_clang or later." >&2
    exit 1
fi

# Standard output is the sample's.
mkdir -p "$root/build"
if ! {
    # The library in a few pieces: a fresh build takes a quarter of the time.
    set_up "$build" "$compiler" -Dsamples=enabled -Dtests=disabled -Dtools=disabled -Dbenchmarks=disabled -Dunity=on -Dunity_size=24 &&
        { [ -x "$build/samples/$name" ] || echo "Building in $build with $compiler_line" >&3; } &&
        ninja -C "$build" -j "${JOBS:-2}" "samples/$name"
} 3>&2 >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
exec "$build/samples/$name" "$@"
