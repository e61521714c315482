# shellcheck shell=sh
# For samples/run.sh and tests/run.sh, which source it after compilers.sh:
#
#   set_up DIRECTORY COMPILER [MESON_OPTION...]   meson setup of the project in $root, unless it has been done; sets
#                                                 anew to "yes" if another one had to go, and prints why
#
# A directory remembers what it was made with. When that is no longer what is there (another compiler, another version
# of it, a library that was missing), or when it was never finished, it is started anew: Meson and Ninja would keep to the old.

# compiler_path COMPILER: with the file that it is in the end, of each of its words that is a program.
compiler_path() {
    for word in $1; do
        found=$(command -v "$word") && found=$(readlink -f "$found")
        echo "${found:-$word}"
    done
}

made_with() {
    # shellcheck disable=SC2086 # a list of words
    echo "compiler: $1, $(compiler_path "$1" | tr '\n' ' '), $($1 --version | head -n 1)"
    shift
    echo "Meson $(meson --version)"
    for library in liburing libcares catch2 CLI11; do
        echo "$library: $(pkg-config --modversion "$library" 2>/dev/null || echo none)"
    done
    # shellcheck disable=SC2154 # of those who source this
    echo "source: $root"
    echo "environment: ${CPPFLAGS:-}, ${CXXFLAGS:-}, ${LDFLAGS:-}, ${CXX_LD:-}"
    echo "options: $*"
}

set_up() {
    set_up_in=$1
    set_up_compiler=$2
    shift 2
    anew=no
    now=$(made_with "$set_up_compiler" "$@")
    if [ -f "$set_up_in/build.ninja" ] && [ -f "$set_up_in/made_with" ]; then
        [ "$now" = "$(cat "$set_up_in/made_with")" ] && return
        anew=yes
        echo "Starting $set_up_in anew. It was made with other things than there are now:"
        printf '%s\n' "$now" | grep -vxF -f - "$set_up_in/made_with"
    elif [ -e "$set_up_in" ]; then
        anew=yes
        echo "Starting $set_up_in anew: it was not finished, or somebody else made it."
    fi
    rm -rf "$set_up_in"
    CXX=$set_up_compiler meson setup "$set_up_in" "$root" "$@" && printf '%s\n' "$now" >"$set_up_in/made_with"
}
