#!/bin/sh
# Tries README's two commands where nothing is installed yet; `sh tests/run.sh fresh` runs it.
#
#   sh tests/fresh.sh [SYSTEM...]
#
# Each SYSTEM is a bare one of this machine's release in a directory of its own, made by mmdebstrap with the machine's
# own apt settings, with a copy of what is committed:
#
#   bare     nothing else
#   clang    Debian's own clang is there, which is too old
#   half     some packages are there, one half of what each needs
#
# It needs root, port 8123, and 4 GB in TMPDIR. All that it mounts is in a namespace of its own. The last line is
# "N passed, N failed".
# shellcheck disable=SC2016 # what bash is to do is in single quotes
set -u

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(dirname "$here")
port=8123

# Starts itself again, in namespaces of its own: mounts and processes are gone with them, however this ends.
if [ "${1:-}" != --inside ]; then
    . "$root/.ci/packages.sh"
    for system in "$@"; do
        case $system in
        bare | clang | half) ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
        esac
    done
    if [ "$(id -u)" -ne 0 ]; then
        echo 'fresh.sh: only root can make a bare system and enter it: sudo sh tests/run.sh fresh' >&2
        exit 2
    fi
    command -v mmdebstrap >/dev/null || apt_install mmdebstrap || exit 2
    scratch=$(mktemp -d) || exit 2
    inside=
    trap 'trap "" INT TERM HUP; [ -z "$inside" ] || kill -KILL "$inside" 2>/dev/null; wait; rm -rf --one-file-system "$scratch"' EXIT
    trap 'exit 130' INT TERM HUP
    unshare --mount --pid --fork --kill-child --mount-proc sh "$0" --inside "$scratch" "$@" &
    inside=$!
    wait "$inside"
    status=$?
    inside=
    exit $status
fi
scratch=$2
shift 2

passed=0
failed=0

# try LABEL COMMAND...: one case; what it prints is shown when it fails.
try() {
    label=$1
    shift
    echo "== $label"
    if "$@" >"$scratch/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        tail -n 60 "$scratch/log"
        echo "FAILED: $label"
    fi
}

# The machine's sources, and how it reaches them: proxies, keys, passwords. Nothing else of it.
make_bare_system() {
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    apt-config dump | grep -E '^(Acquire::(http|https|ftp|tor|Retries|ForceIPv|Check|AllowInsecure)|APT::(Authentication|Get::AllowUnauth))' >"$scratch/apt.conf"
    set -- --mode=root --variant=apt --aptopt="$scratch/apt.conf"
    for setting in /etc/apt/keyrings /etc/apt/trusted.gpg.d /etc/apt/auth.conf /etc/apt/auth.conf.d /usr/local/share/ca-certificates; do
        [ -e "$setting" ] || continue
        set -- "$@" --setup-hook="mkdir -p \"\$1$(dirname "$setting")\" && cp -R \"$setting\" \"\$1$(dirname "$setting")/\""
    done
    set -- "$@" "$release" "$scratch/bare.tar"
    for sources in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ -s "$sources" ] || continue
        set -- "$@" "$sources"
        if grep -q 'https://' "$sources"; then set -- --include=ca-certificates "$@"; fi
    done
    mmdebstrap "$@"
}

# enter COMMAND...: in the system, in the copy of the sources. With how=exec the calling shell becomes the command.
how=
enter() {
    $how chroot "$system" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        JOBS="${JOBS:-2}" ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        sh -c 'cd /bight && exec "$@"' sh "$@"
}

# make_system NAME: and copies into it what a clone of this checkout would have.
make_system() {
    system=$scratch/$1
    mkdir "$system" && tar -C "$system" -xf "$scratch/bare.tar" || return
    cp /etc/resolv.conf /etc/hosts "$system/etc/"
    mount -t proc proc "$system/proc" && mount -t tmpfs -o mode=755 tmpfs "$system/dev" || return
    for node in null zero full random urandom tty; do
        : >"$system/dev/$node" && mount --bind "/dev/$node" "$system/dev/$node" || return
    done
    mkdir "$system/dev/pts" "$system/dev/shm" "$system/bight"
    chmod 1777 "$system/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$system/dev/pts" && ln -s pts/ptmx "$system/dev/ptmx"
    ln -s /proc/self/fd "$system/dev/fd"
    mount --bind "$archives" "$system/var/cache/apt/archives" || return
    tar -C "$system/bight" -xf "$scratch/source.tar"
}

remove_system() {
    umount --lazy --recursive "$system/dev" "$system/proc" "$system/var/cache/apt/archives"
    rm -rf --one-file-system "$system"
}

install() {
    enter env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o APT::Keep-Downloaded-Packages=true "$@"
}

# `sh samples/run.sh chat`: built, talked to, stopped by its pid; all within half an hour.
chat() {
    if says 'exec 3<>"$0"'; then
        echo "something else listens on port $port"
        return 1
    fi
    (how='exec' && enter "$@" sh samples/run.sh chat </dev/null >"$scratch/chat.log" 2>&1) &
    pid=$!
    (sleep 1800 && kill -KILL "$pid") &
    limit=$!
    until says 'exec 3<>"$0"'; do
        if ! kill -0 "$pid" 2>/dev/null; then
            kill "$limit"
            cat "$scratch/chat.log"
            return 1
        fi
        sleep 1
    done
    says 'exec 3<>"$0" && read -r -t 30 asked <&3 && printf "ann\r\n" >&3 && read -r -t 30 told <&3 &&
        echo "$asked $told" && case "$asked $told" in "What"*"name?"*"Welcome, ann!"*) ;; *) false ;; esac'
    talked=$?
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    kill "$limit"
    cat "$scratch/chat.log"
    echo "its exit status: $status"
    [ $talked -eq 0 ] && [ $status -eq 143 ] && ! says 'exec 3<>"$0"'
}

# bash is in every Debian, and can speak TCP.
says() { enter bash -c "$1" "/dev/tcp/127.0.0.1/$port" 2>/dev/null; }

# tests WORD...: `sh tests/run.sh`, with the tests of these names only.
tests() {
    enter timeout 3600 sh tests/run.sh "$@" || return
    tail -n 1 "$scratch/log" | grep -qx '[1-9][0-9]* passed, 0 failed'
}

# refused TEXT COMMAND...: COMMAND fails, and says TEXT.
refused() {
    text=$1
    shift
    ! enter "$@" && grep -q "$text" "$scratch/log"
}

# uses TEXT COMMAND...: COMMAND succeeds, and says TEXT.
uses() {
    text=$1
    shift
    "$@" && grep -q "$text" "$scratch/log"
}

try_bare() {
    try 'bare: sh samples/run.sh chat' chat env
    try 'bare: sh tests/run.sh' tests io/ lint compile_fail
}

try_clang() {
    try 'clang: installing the old one' install install clang
    try 'clang: sh samples/run.sh chat' chat env
    try 'clang: sh tests/run.sh' uses '^== clang: clang++-19' tests io/chunk
    try 'clang: tests/run.sh refuses it by name' refused 'clang++ is clang 1[0-5].*needs clang 16' env CLANGXX=clang++ sh tests/run.sh
    try 'clang: samples/run.sh refuses it by name' refused 'clang++ is clang 1[0-5].*needs clang 16' env CXX=clang++ sh samples/run.sh chat
    try 'clang: Meson refuses it' refused 'clang 16 or later: clang++ is clang 1[0-5]' env CXX=clang++ meson setup build/refused
    try 'clang: another compiler starts the build anew' uses 'made with other things' another_compiler
}

another_compiler() {
    chat env CXX=clang++-19 && cat "$system/bight/build/samples.log"
}

try_half() {
    try 'half: installing halves' install install g++ meson clang-19 libclang-rt-14-dev netcat-traditional
    try 'half: sh tests/run.sh' uses '^== clang: clang++-19' tests io/chunk
    try 'half: sh samples/run.sh chat' chat env
}

archives=$scratch/archives
mkdir -p "$archives/partial"
if commit=$(git -c safe.directory="$root" -C "$root" rev-parse --short HEAD 2>/dev/null); then
    git -c safe.directory="$root" -C "$root" archive HEAD >"$scratch/source.tar"
    echo "== what is tried is commit $commit"
else
    tar -C "$root" --exclude=./build -cf "$scratch/source.tar" .
fi
try 'making a bare system' make_bare_system
if [ $failed -eq 0 ]; then
    if [ $# -eq 0 ]; then set -- bare clang half; fi
    for name in "$@"; do
        try "$name: making it" make_system "$name"
        if [ $failed -eq 0 ] || [ -x "$system/bight" ]; then
            try "$name: apt-get update" install update
            "try_$name"
        fi
        remove_system
    done
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
