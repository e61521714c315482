# shellcheck shell=sh
# Finds out what the scripts lack, and installs it with apt. For samples/run.sh and tests/run.sh, which source it:
#
#   need PACKAGE PURPOSE COMMAND...   PACKAGE is missing unless COMMAND succeeds
#   install_missing                   installs what is missing, or says what to install, and goes on

missing=
missing_list=

need() {
    package=$1
    purpose=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    missing="$missing $package"
    missing_list="$missing_list
  $package: $purpose"
}

need_build_tools() {
    need g++ 'a C++20 compiler, g++ 12 or later' command -v "${CXX:-g++}"
    need meson 'Meson 1.0 or later' command -v meson
    need ninja-build 'Ninja' command -v ninja
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

# Package lists that are absent or out of date are fetched; nothing else calls for it.
apt_install() {
    if apt-cache show "$@" >/dev/null 2>&1 && apt_get install "$@"; then
        return 0
    fi
    apt_get update && apt_get install "$@"
}

install_missing() {
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null && { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }; then
        echo "Installing:$missing" >&2
        # shellcheck disable=SC2086 # a list of words
        if apt_install $missing >&2; then
            hash -r
            return 0
        fi
    fi
    # By the names that they have in Debian.
    echo "Please install:$missing_list" >&2
    echo 'Going on with what is there.' >&2
}
