#!/bin/sh
# Builds one sample and runs it:
#
#   sh samples/run.sh NAME [ARGUMENT...]
#
# What is missing to build it is installed with apt, where there is apt. The sample takes the place of this script:
# signals reach it, and its exit status is the script's. CXX names another compiler than g++.
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

. "$root/.ci/packages.sh"
need_build_tools
install_missing

# Standard output is the sample's.
mkdir -p "$root/build"
if ! {
    if [ ! -f "$build/build.ninja" ]; then
        echo "Building in $build, the first time." >&3
        CXX=${CXX:-g++} meson setup "$build" "$root" -Dsamples=enabled -Dtests=disabled -Dbenchmarks=disabled
    elif [ -n "$missing" ]; then
        meson setup --reconfigure "$build"
    fi &&
        ninja -C "$build" -j "${JOBS:-2}" "samples/$name"
} 3>&2 >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
exec "$build/samples/$name" "$@"
