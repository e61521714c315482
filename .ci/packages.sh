# shellcheck shell=sh
# Finds out what the scripts lack, and installs it with apt. For samples/run.sh and tests/run.sh, which source it:
#
#   need PACKAGE PURPOSE COMMAND...   PACKAGE is missing unless COMMAND succeeds
#   install_needs FUNCTION            FUNCTION says what it needs; installs what is missing, or says what to install, and
#                                     goes on

need() {
    package=$1
    purpose=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    missing="$missing $package"
    missing_list="$missing_list
  $package: $purpose"
}

# at_least VERSION LEAST: versions are numbers with dots between them.
at_least() {
    awk -v version="$1" -v least="$2" 'BEGIN {
        parts = split(least, b, ".")
        split(version, a, ".")
        for (i = 1; i <= parts; i++) if (a[i] + 0 != b[i] + 0) exit a[i] + 0 < b[i] + 0
        exit version == ""
    }'
}

# program_at_least PROGRAM LEAST
program_at_least() { at_least "$("$1" --version 2>/dev/null)" "$2"; }

need_build_tools() {
    need meson 'Meson 1.0 or later' program_at_least meson 1.0
    need ninja-build 'Ninja 1.8.2 or later' program_at_least ninja 1.8.2
    need pkg-config 'pkg-config' command -v pkg-config
    need liburing-dev 'liburing 2.3 or later with its headers; without it there is no io_uring' \
        pkg-config --exists 'liburing >= 2.3'
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# Package lists that are absent or out of date are fetched, and an installation that was interrupted is ended; nothing
# else calls for it.
apt_install() {
    if [ -n "$(dpkg --audit 2>/dev/null)" ]; then
        as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
        apt_get --fix-broken install
    fi
    if apt-cache show "$@" >/dev/null 2>&1 && apt_get install "$@"; then
        return 0
    fi
    apt_get update && apt_get install "$@"
}

install_needs() {
    missing=
    missing_list=
    "$1"
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; then
        echo "Installing:$missing" >&2
        # shellcheck disable=SC2086 # a list of words
        apt_install $missing >&2
        hash -r
        missing=
        missing_list=
        "$1"
        [ -n "$missing" ] || return 0
    fi
    # By the names that they have in Debian.
    echo "Please install:$missing_list" >&2
    echo 'Going on with what is there.' >&2
}
