# shellcheck shell=sh
# Chooses compilers by what they are, whatever their names. For samples/run.sh and tests/run.sh, which source it:
#
#   choose KIND NAME...      sets chosen to the first NAME that is fit, and chosen_line to what it is and why; false if none is
#   insist KIND VARIABLE     the same for the compiler that VARIABLE names; ends the script if it is not fit
#
# KIND is g++, clang, sanitizers (clang with its sanitizers) or any. A compiler may be a command of several words.

oldest_gxx=12
oldest_clang=16

# In order of preference: the versions that bight is developed with come first.
# shellcheck disable=SC2034 # for those who source it
gxx_names='g++-12 g++ g++-13 g++-14 g++-15'
# shellcheck disable=SC2034
clang_names='clang++-19 clang++ clang++-20 clang++-21 clang++-18 clang++-17 clang++-16'

# identity COMPILER: "g++ 12.2.0", "clang 19.1.7"; nothing if it does not run.
identity() {
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' '#ifdef __clang__' 'clang __clang_major__ __clang_minor__ __clang_patchlevel__' \
        '#elif defined __GNUC__' 'g++ __GNUC__ __GNUC_MINOR__ __GNUC_PATCHLEVEL__' '#endif' |
        $1 -E -P -x c++ - 2>/dev/null | awk 'NF == 4 { print $1, $2 "." $3 "." $4 }'
}

# major_version COMPILER
major_version() { identity "$1" | sed 's/.* //; s/[.].*//'; }

# links COMPILER [OPTION...]: whether a small program with coroutines becomes an executable. A compiler without its
# library, or one that has found another's, is half of one.
links() {
    linked=$(mktemp -d) || return
    links_compiler=$1
    shift
    # shellcheck disable=SC2086 # a list of words
    printf '%s\n' '#include <coroutine>' '#include <iostream>' 'int main() { std::cout << 1; }' |
        $links_compiler -std=c++20 "$@" -x c++ - -o "$linked/program" >/dev/null 2>&1
    set -- $?
    rm -rf "$linked"
    return "$1"
}

# links_sanitizers CLANG
links_sanitizers() {
    links "$1" -fsanitize=address,undefined && links "$1" -fsanitize=thread && links "$1" -fsanitize=memory
}

# fault COMPILER KIND: why it is not fit; nothing if it is.
fault() {
    what=$(identity "$1")
    major=$(major_version "$1")
    case $what in
    '')
        if command -v "${1%% *}" >/dev/null; then echo "$1 does not work"; else echo "there is no $1"; fi
        return
        ;;
    g++*) oldest=$oldest_gxx ;;
    *) oldest=$oldest_clang ;;
    esac
    case $2:$what in
    any:* | "g++:g++ "* | "clang:clang "* | "sanitizers:clang "*) ;;
    *)
        echo "$1 is $what, and not ${2%sanitizers}"
        return
        ;;
    esac
    if [ "$major" -lt "$oldest" ]; then
        echo "$1 is $what, and bight needs ${what%% *} $oldest or later"
    elif ! links "$1"; then
        echo "$1 ($what) compiles or links no C++20 program: is its library missing?"
    elif [ "$2" = sanitizers ] && ! links_sanitizers "$1"; then
        echo "$1 ($what) has no sanitizers: libclang-rt-$major-dev is missing"
    fi
}

choose() {
    kind=$1
    first=$2
    shift
    chosen=
    unfit=
    for candidate in "$@"; do
        command -v "$candidate" >/dev/null || continue
        why=$(fault "$candidate" "$kind")
        if [ -z "$why" ]; then
            chosen=$candidate
            break
        fi
        unfit="$unfit; $why"
    done
    [ -n "$chosen" ] || return
    chosen_line="$chosen ($(identity "$chosen")), the first choice"
    [ "$chosen" = "$first" ] || chosen_line="$chosen ($(identity "$chosen")), the first that is fit${unfit:+$unfit}"
}

insist() {
    eval "chosen=\$$2"
    why=$(fault "$chosen" "$1")
    if [ -n "$why" ]; then
        echo "$2=\"$chosen\" cannot be used: $why" >&2
        exit 2
    fi
    # shellcheck disable=SC2034
    chosen_line="$chosen ($(identity "$chosen")), as $2 says"
}
