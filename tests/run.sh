#!/bin/sh
# Builds the tests and runs them: with g++ (and valgrind), and with clang's sanitizers.
#
#   sh tests/run.sh [--quick | --full] [WORD...]
#   sh tests/run.sh confined [WORD...]
#   sh tests/run.sh storm [SEEDS [FIRST]]
#   sh tests/run.sh fresh [SYSTEM...]
#   sh tests/run.sh macos [--short | --each]
#   sh tests/run.sh windows [--short] [--clang] [WORD...]
#   sh tests/run.sh mutants [WORD...]
#   sh tests/run.sh bench [OPTION...] [THEME...]
#
#   confined  only what runs in a container that refuses io_uring and has no IPv6, with g++; the others do that, too
#   storm     the chat and the broadcast sample, and the servers in which tests plant bugs, without them, in simulated storms,
#             each in so many (10,000, from seed 1)
#   fresh     README's commands in bare systems (tests/fresh.sh)
#   macos     the library and the tests compiled for macOS, where there is no Mac (tests/macos.sh)
#   windows   the library, the samples and the tests built for Windows, and run under Wine (tests/windows.sh)
#   mutants   small changes in the library, each of which some test should notice (tests/mutants/mutants.py)
#   bench     measures bight beside bare system calls and other libraries, and writes docs/benchmarks (tests/bench/run.sh)
#   --quick   g++ only
#   --full    also g++ with optimisation, clang without sanitizers (no, some, all optimisation), all tests with TSan, and
#             the tests on each demultiplexer as the default
#   WORD      only tests whose name (as `meson test --list` prints it) contains one of the words: core, io/outbox
#
# What is missing is installed with apt, where there is apt. The last line is "N passed, N failed": test cases, over
# all configurations. A configuration that cannot be built, and a program that crashes or hangs, is a failure. What was
# skipped because this machine has not what it needs is neither: it is counted before, with the reasons.
#
# Environment: JOBS, how many processes build side by side (2), three times as many test, for tests wait more than they
# compute; GXX and CLANGXX, the compilers, where the choice of .ci/compilers.sh will not do.
set -u

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
jobs=${JOBS:-2}

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; }

if [ "${1:-}" = fresh ]; then
    shift
    exec sh "$root/tests/fresh.sh" "$@"
fi
if [ "${1:-}" = bench ]; then
    shift
    exec sh "$root/tests/bench/run.sh" "$@"
fi

if [ "${1:-}" = macos ]; then
    shift
    exec sh "$root/tests/macos.sh" "$@"
fi
if [ "${1:-}" = windows ]; then
    shift
    exec sh "$root/tests/windows.sh" "$@"
fi

matrix=default
words=
storm=
confined=
if [ "${1:-}" = confined ]; then
    confined=only
    matrix=quick
    shift
fi
mutants=
if [ "${1:-}" = mutants ]; then
    mutants=yes
    shift
    mutant_words="$*"
    set -- --quick
fi
if [ "${1:-}" = storm ]; then
    storm=yes
    matrix=quick
    shift
    for argument in "$@"; do
        case $argument in
        '' | *[!0-9]*) echo "run.sh: after storm come numbers: SEEDS and FIRST, unlike \"$argument\"" >&2 && exit 2 ;;
        esac
    done
    storm_arguments="$*"
    set --
fi
for argument in "$@"; do
    case $argument in
    --quick) matrix=quick ;;
    --full) matrix=full ;;
    -h | --help) usage && exit 0 ;;
    -*) usage >&2 && exit 2 ;;
    *) words="$words $argument" ;;
    esac
done

. "$root/.ci/compilers.sh"
. "$root/.ci/packages.sh"
. "$root/.ci/build_directory.sh"

# Each sets gxx or clangxx, and what to say of it.
choose_gxx() {
    if [ -n "${GXX:-}" ]; then
        insist g++ GXX
    else
        # shellcheck disable=SC2086 # a list of words
        choose g++ $gxx_names || return
    fi
    gxx=$chosen
    gxx_line=$chosen_line
}

choose_clangxx() {
    if [ -n "${CLANGXX:-}" ]; then
        insist clang CLANGXX
        links_sanitizers "$chosen" || return
    elif [ -n "$(identity clang++-19)" ]; then
        # If it lacks its sanitizers, they are better installed than an older clang taken.
        choose sanitizers clang++-19 || return
    else
        # shellcheck disable=SC2086 # a list of words
        choose sanitizers $clang_names || return
    fi
    clangxx=$chosen
    clangxx_line=$chosen_line
}

needs() {
    need g++ "g++ $oldest_gxx or later" choose_gxx
    need_build_tools
    need catch2 'Catch2 2.13 or later; without it Meson fetches its source' pkg-config --exists 'catch2 >= 2.13'
    need libcli11-dev 'CLI11 2.1 or later; without it Meson fetches its source' pkg-config --exists 'CLI11 >= 2.1'
    need telnet 'a telnet client, for the tests of the samples' command -v telnet
    need socat 'socat, for the tests of serial lines' command -v socat
    need netcat-openbsd 'OpenBSD netcat, for the tests of the samples' openbsd_netcat
    need libc-ares-dev 'c-ares 1.18 or later; without it there is no dns_resolver' pkg-config --exists 'libcares >= 1.18'
    need libasio-dev 'Asio 1.19 or later, for the tests of bight with Asio' header asio.hpp
    need libglib2.0-dev 'GLib 2.36 or later, for the tests of bight with GLib' pkg-config --exists 'glib-2.0 >= 2.36'
    need libcurl4-openssl-dev 'libcurl 7.59 or later, for the tests of bight with libcurl' pkg-config --exists 'libcurl >= 7.59'
    need libhiredis-dev 'hiredis 0.14 or later, for the tests of bight with hiredis' pkg-config --exists 'hiredis >= 0.14'
    need redis-server 'redis-server, for the same' command -v redis-server
    if [ $matrix = quick ]; then return; fi
    need valgrind 'valgrind, which counts instructions' command -v valgrind
    need strace 'strace, which counts system calls' command -v strace
    need cmake 'CMake, for the test of what it finds of bight' command -v cmake
    need llvm-19 'a symbolizer, for the names in what sanitizers report' symbolizer
    if choose_clangxx; then
        need "libfuzzer-$(major_version "$clangxx")-dev" "libFuzzer of $clangxx" fuzzes "$clangxx"
    elif [ -n "${CLANGXX:-}" ]; then
        need "libclang-rt-$(major_version "$CLANGXX")-dev" "the sanitizers of $CLANGXX" false
    else
        need clang-19 "clang $oldest_clang or later" links clang++-19
        need libclang-rt-19-dev 'the sanitizers of clang 19' links_sanitizers clang++-19
        need libfuzzer-19-dev 'libFuzzer of clang 19' fuzzes clang++-19
    fi
}

# fuzzes CLANG: whether it has libFuzzer, whose main() calls what it fuzzes.
fuzzes() {
    echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
        "$1" -fsanitize=fuzzer -x c++ - -o /dev/null
}

header() { echo "#include <$1>" | ${chosen:-g++} -std=c++20 -E -x c++ - -o /dev/null; }

symbolizer() { command -v llvm-symbolizer-19 || command -v llvm-symbolizer; }

openbsd_netcat() { nc -h 2>&1 | grep -q OpenBSD; }

# Before anything is installed: a compiler that was named and cannot be used ends the script.
if [ -n "${GXX:-}" ]; then insist g++ GXX; fi
if [ -n "${CLANGXX:-}" ]; then insist clang CLANGXX; fi
gxx=
clangxx=
install_needs needs
if [ -n "$gxx" ]; then echo "== g++: $gxx_line"; fi
if [ -n "$clangxx" ]; then echo "== clang: $clangxx_line"; fi

# A fault must end the test with a report, not be printed and passed over.
export ASAN_OPTIONS="halt_on_error=1:detect_stack_use_after_return=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export MSAN_OPTIONS="halt_on_error=1${MSAN_OPTIONS:+:$MSAN_OPTIONS}"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS}"
if symbolizer_path=$(symbolizer); then
    export ASAN_SYMBOLIZER_PATH="$symbolizer_path" MSAN_SYMBOLIZER_PATH="$symbolizer_path" TSAN_SYMBOLIZER_PATH="$symbolizer_path"
fi

if [ -n "$mutants" ]; then
    # shellcheck disable=SC2086 # a list of words
    exec python3 "$root/tests/mutants/mutants.py" --compiler "$gxx" --jobs "$jobs" $mutant_words
fi

began=$(date +%s)
passed=0
failed=0
skipped=0

# What TSan looks at: nearly all the other tests run on one thread; and of core, demux and net those of with_threads.txt.
rooms_with_threads='core/ thread/ service/ demux/ net/ with/ sanitizers/'

# What failed, to be said again at the end: by then it has scrolled away.
mkdir -p "$root/build"
failures=$root/build/failures.log
: >"$failures"
# And what was not tried: "N: WHY" for cases, "left out: WHAT" for what the cases were not tried on.
not_tried=$root/build/not_tried.log
: >"$not_tried"

fail() {
    failed=$((failed + 1))
    echo "FAILED: $*" | tee -a "$failures"
}

# Prints "PASSED FAILED SKIPPED", in test cases, of Meson's log of a run: one line of JSON for each test. A program that
# failed without saying which case did (it crashed, or ran out of time), or that ended well without Catch2's summary
# (something called exit), counts as one failure. Catch2 counts what was skipped as passed before version 3.3.
count_cases() {
    awk '
        function number_before(text, pattern) {
            if (!match(text, "[0-9]+ " pattern)) return 0
            return substr(text, RSTART) + 0
        }
        function all_skipped_in(text,   sum) {
            while (match(text, /skipped [0-9]+: /)) {
                sum += substr(text, RSTART + 8)
                text = substr(text, RSTART + RLENGTH)
            }
            return sum + 0
        }
        {
            good = bad = summaries = 0
            skipped = all_skipped_in($0)
            if (match($0, /All tests passed \([0-9]+ assertions? in [0-9]+ test cases?\)/)) {
                good = number_before(substr($0, RSTART, RLENGTH), "test case") - skipped
                summaries = 1
            } else if (match($0, /test cases: [0-9 |a-z]*/)) {
                summary = substr($0, RSTART, RLENGTH)
                sub(/[0-9]+ failed as expected/, "", summary)
                good = number_before(summary, "passed")
                if (summary !~ /skipped/) good -= skipped
                bad = number_before(summary, "failed")
                summaries = 1
            }
            if (bad == 0 && (!summaries || $0 !~ /"result": "(OK|SKIP)"/)) {
                bad = 1
                match($0, /"name": "[^"]*"/)
                print "FAILED, without saying which case: " substr($0, RSTART + 8, RLENGTH - 8) >"/dev/stderr"
            }
            all_good += good
            all_bad += bad
            all_skipped += skipped
        }
        END { print all_good + 0, all_bad + 0, all_skipped + 0 }
    ' "$1"
}

# What was not tried, of the same log, and why: lines as not_tried.log has them.
list_not_tried() {
    awk '
        {
            output = ""
            if (match($0, /"stdout": "([^"\\]|\\.)*"/)) output = substr($0, RSTART + 11, RLENGTH - 12)
            if (match($0, /"stderr": "([^"\\]|\\.)*"/)) output = output "\\n" substr($0, RSTART + 11, RLENGTH - 12)
            gsub(/\\"/, "\"", output)
            lines = split(output, line, /\\n/)
            for (i = 1; i <= lines; i++) {
                if (match(line[i], /^skipped [0-9]+: /)) {
                    split(line[i], word, /[ :]/)
                    count[substr(line[i], RLENGTH + 1)] += word[2]
                } else if (line[i] ~ /^left out: /) {
                    left_out[line[i]] = 1
                }
            }
        }
        END {
            for (why in count) print count[why] ": " why
            for (what in left_out) print what
        }
    ' "$1"
}

# print_failed LABEL LOG: the end of what each failed program printed, of the same log.
print_failed() {
    awk -v label="$1" '
        !/"result": "OK"/ && !/"result": "SKIP"/ {
            match($0, /"name": "[^"]*"/)
            print "FAILED: " label ": " substr($0, RSTART + 9, RLENGTH - 10)
            output = ""
            if (match($0, /"stdout": "([^"\\]|\\.)*"/)) output = substr($0, RSTART + 11, RLENGTH - 12)
            if (match($0, /"stderr": "([^"\\]|\\.)*"/)) output = output "\\n" substr($0, RSTART + 11, RLENGTH - 12)
            gsub(/\\t/, "\t", output)
            gsub(/\\"/, "\"", output)
            lines = split(output, line, /\\n/)
            for (i = lines > 60 ? lines - 59 : 1; i <= lines; i++) print line[i]
        }
    ' "$2"
}

# The names of the tests of build directory $1 that were asked for.
selected_tests() {
    meson test -C "$1" --list 2>/dev/null | sed 's/^.* \/ //' | while read -r test; do
        for word in $words; do
            case $test in *"$word"*) echo "$test" && break ;; esac
        done
    done
}

# What to build for them: the programs of their rooms, or everything; the tests of the samples need the samples, and those
# that run no program need the build files alone.
targets() {
    if [ -n "$words" ]; then
        selected_tests "$1" | sed 's|/.*||' | sort -u | while read -r room; do
            case $room in
            tools) echo tests/tools_tests tools/bight ;;
            samples) echo tests/samples_tests && ls "$root/samples" | sed -n 's|\(.*\)\.cpp$|samples/\1|p' ;;
            compile_fail) echo build.ninja ;;
            lint) echo lib/trace_page_files.hpp ;;
            docs) echo tests/docs/libdocs_pages.a tests/docs/docs_programs ;;
            gdb) echo tests/gdb/tree ;;
            bench) echo benchmarks samples/keepalive ;;
            fuzz) echo tests/fuzz/fuzz_delimited tests/fuzz/fuzz_lines tests/fuzz/fuzz_netstrings tests/fuzz/fuzz_prefixed \
                tests/fuzz/fuzz_records tests/fuzz/fuzz_switching tests/fuzz/fuzz_varint ;;
            sanitizers) echo tests/sanitizers/mistakes tests/sanitizers/orders tests/sanitizers/transfers ;;
            core | thread | service) echo tests/runtime_tests ;;
            generator) echo tests/sync_tests ;;
            *) echo "tests/${room}_tests" ;;
            esac
        done
        echo tests/confined
    fi
}

# Versions whose warnings are known: with them a warning is an error.
warnings_are_errors() {
    case $(identity "$1") in 'g++ 12.'* | 'clang 19.'*) echo true ;; *) echo false ;; esac
}

# Sets seconds: of processor time that what this script ran has used since the last call. `times` knows nothing in a
# subshell.
count_seconds() {
    times >"$root/build/times"
    total=$(awk 'NR == 2 { gsub(/[ms]/, " "); printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }' "$root/build/times")
    seconds=$((total - ${counted:-0}))
    counted=$total
}

# build NAME COMPILER [MESON_OPTION...]: leaves the programs in build/NAME; those that $only names, if it names any.
build() {
    name=$1
    compiler=$2
    shift 2
    directory=$root/build/$name
    log=$root/build/$name.log
    if [ -z "$compiler" ]; then
        fail "$name: there is no compiler for it"
        return 1
    fi
    echo "== $name: building with $compiler"
    count_seconds
    # shellcheck disable=SC2046 # a list of words
    {
        set_up "$directory" "$compiler" -Dtests=enabled -Dtest_files_together=4 -Dsamples=enabled -Dtools=enabled \
            -Dwerror="$(warnings_are_errors "$compiler")" "$@" &&
            ninja -C "$directory" -j "$jobs" ${only:-$(targets "$directory")}
    } >"$log" 2>&1
    status=$?
    count_seconds
    if [ $anew = yes ]; then echo "== $name: was started anew; $log says why"; fi
    echo "== $name: building took $seconds s of processor time"
    [ $status -eq 0 ] && return 0
    fail "$name: the build failed"
    tail -n 100 "$log"
    return 1
}

# run NAME LABEL [LAUNCHER]: runs the tests of build/NAME, with LAUNCHER before the command.
run() {
    directory=$root/build/$1
    label=$2
    launcher=${3:-}
    names=
    if [ -n "$words" ]; then
        names=$(selected_tests "$directory")
        if [ -z "$names" ]; then
            fail "$label: no test has a name with$words"
            return
        fi
        # What runs no program of bight is the same under a launcher.
        [ -z "$launcher" ] || names=$(echo "$names" | grep -v -e '^compile_fail/' -e '^lint/') || return 0
    fi
    results=$directory/meson-logs/results.json
    rm -f "$results"
    echo "== $label: testing"
    count_seconds
    # shellcheck disable=SC2086 # lists of words
    ${launcher:+"$launcher"} meson test -C "$directory" --no-rebuild --num-processes "$((3 * jobs))" \
        --timeout-multiplier "${timeouts:-1}" --logbase results --print-errorlogs \
        ${launcher:+--no-suite compile_fail --no-suite lint $less} $names
    status=$?
    if [ ! -s "$results" ]; then
        fail "$label: no test ran"
        return
    fi
    print_failed "$label" "$results" >>"$failures"
    list_not_tried "$results" | sed "s/^/$label: /" >>"$not_tried"
    # shellcheck disable=SC2046 # three numbers
    set -- $(count_cases "$results")
    passed=$((passed + $1))
    failed=$((failed + $2))
    skipped=$((skipped + $3))
    count_seconds
    echo "== $label: $1 passed, $2 failed, $3 skipped, in $seconds s of processor time"
    if [ $status -ne 0 ] && [ "$2" -eq 0 ]; then fail "$label: meson test gave $status"; fi
}

# Rooms that are the same with other demultiplexers and no IPv6: only `confined` and --full run them in the container, too.
same_confined='sync generator thread service sim docs'
less=

# run_confined NAME: in a container that refuses io_uring and has no IPv6 (tests/support/confined.cpp).
run_confined() {
    confined_launcher=$root/build/$1/tests/confined
    if why=$("$confined_launcher" true 2>&1); then
        if [ -z "$confined" ] && [ $matrix != full ] && [ -z "$words" ]; then
            for room in $same_confined; do less="$less --no-suite $room"; done
        fi
        run "$1" "$1, confined" "$confined_launcher"
    else
        echo "== $1, confined: no such container can be made here: $why"
        echo "left out: $1, confined: $why" >>"$not_tried"
    fi
}

build_and_run() {
    build "$@" && run "$1" "$1"
}

# use_from_outside NAME COMPILER: build/NAME installed, and bight as a subproject (tests/packaging/run.sh).
use_from_outside() {
    echo "== $1: using it from outside"
    # In a few pieces: what is tried is whether it can be used.
    if sh "$root/tests/packaging/run.sh" "$root/build/$1" "$2" -Dbight:werror="$(warnings_are_errors "$2")" \
        -Dunity=subprojects -Dunity_size=24; then
        passed=$((passed + 1))
    else
        fail "$1: bight cannot be used from outside"
    fi
}

# hold_figures COMPILER: against tests/bench/bounds.txt.
hold_figures() {
    case $(identity "$1") in
    'g++ 12.'*) ;;
    *)
        echo "left out: figures: their bounds are those of g++ 12" >>"$not_tried"
        return
        ;;
    esac
    only=figures
    build figures "$1" -Dbuildtype=release -Ddefault_library=static -Dunity=on -Dunity_size=24 \
        -Dtests=disabled -Dsamples=disabled -Dtools=disabled
    status=$?
    only=
    [ $status -eq 0 ] || return
    echo "== figures: measuring"
    CXX=$1 python3 "$root/tests/bench/figures.py" "$root/build/figures" >"$root/build/figures.txt" 2>&1
    cat "$root/build/figures.txt"
    grep '^left out: ' "$root/build/figures.txt" | sed 's/^/figures: /' >>"$not_tried"
    grep 'ABOVE' "$root/build/figures.txt" | sed 's/^/FAILED: figures: /' >>"$failures"
    last=$(tail -n 1 "$root/build/figures.txt")
    case $last in
    *' passed, '*' failed')
        passed=$((passed + ${last%% passed*}))
        last=${last#* passed, }
        failed=$((failed + ${last%% failed}))
        ;;
    *) fail "figures: the script ended without its last line" ;;
    esac
}

# in_time MINUTES WHAT: whether this script began so recently that there is time for WHAT. Continuous integration has an hour.
in_time() {
    minutes=$((($(date +%s) - began) / 60))
    [ $minutes -lt "$1" ] && return
    echo "left out: $2: this run has taken $minutes minutes already; \`sh tests/run.sh $2\` is by itself" >>"$not_tried"
    return 1
}

# elsewhere SYSTEM [OPTION...]: another system's half, by its own script; left out where that cannot have what it needs.
elsewhere() {
    system=$1
    shift
    results=$root/build/$system.txt
    count_seconds
    sh "$root/tests/$system.sh" "$@" >"$results" 2>&1
    status=$?
    count_seconds
    cat "$results"
    if [ $status -eq 2 ]; then
        echo "left out: $system: $(tail -n 1 "$results")" >>"$not_tried"
        return
    fi
    echo "== $system took $seconds s of processor time"
    sed -n "s/^FAILED: /FAILED: $system: /p" "$results" >>"$failures"
    sed -n "s/^skipped \([0-9]*: \)/$system: \1/p" "$results" >>"$not_tried"
    grep '^left out: ' "$results" | sed "s/^/$system: /" >>"$not_tried"
    skipped=$((skipped + $(awk '/^skipped [0-9]+: / { all += $2 } END { print all + 0 }' "$results")))
    last=$(tail -n 1 "$results")
    case $last in
    *' passed, '*' failed')
        passed=$((passed + ${last%% passed*}))
        last=${last#* passed, }
        failed=$((failed + ${last%% failed}))
        ;;
    *) fail "$system: the script ended without its last line" ;;
    esac
}

if [ -n "$storm" ]; then
    targets() { echo tests/storm; }
    build storm "$gxx" -Dbuildtype=release || exit 1
    cd "$root/build/storm" || exit 1
    # shellcheck disable=SC2086 # a list of numbers
    exec ./tests/storm $storm_arguments
fi

# What each configuration is there for is in CONTRIBUTING.md.
# Lines are all that a report shows: without the rest of what a debugger knows, it takes a sixth less. A compiler that
# may use 1 GiB before it collects garbage takes a tenth less. The tests use the shared library, and use_from_outside both.
if build gcc "$gxx" -Dbuildtype=debug "-Dcpp_args=-g1 --param=ggc-min-heapsize=1048576" -Ddefault_library=both -Dbenchmarks=enabled \
    -Dunity=on -Dunity_size=9; then
    [ -n "$confined" ] || run gcc gcc
    run_confined gcc
    if [ $matrix != quick ] && [ -z "$words" ]; then use_from_outside gcc "$gxx"; fi
fi
if [ $matrix != quick ] && [ -z "$words" ] && [ -n "$gxx" ]; then
    hold_figures "$gxx"
fi
if [ $matrix != quick ]; then
    timeouts=3
    # Lines are all that a report shows. Templates that the precompiled header uses are instantiated there, once: a sixth
    # of the time. The library is compiled in few pieces: its files one by one are those of --full.
    lines_only='-gline-tables-only -fpch-instantiate-templates'
    without_full=disabled
    [ $matrix != full ] || without_full=enabled
    sanitized="-Dbuildtype=debug -Doptimization=1 -Db_lundef=false -Dunity=on -Dunity_size=24"
    fuzzers=enabled
    if ! fuzzes "$clangxx" >/dev/null 2>&1; then
        fuzzers=disabled
        echo "left out: asan: the fuzzers: ${clangxx:-clang} has no libFuzzer" >>"$not_tried"
    fi
    # UBSan's check of vptrs opens a pipe, and takes an object for broken when the process is out of descriptors, as
    # some tests want it.
    # shellcheck disable=SC2086 # a list of words
    build_and_run asan "$clangxx" $sanitized -Db_sanitize=address,undefined "-Dcpp_args=$lines_only -fno-sanitize=vptr" \
        -Dtools=$without_full -Dfuzzers=$fuzzers
    all_words=$words
    # shellcheck disable=SC2086
    if [ $matrix != full ] && [ -z "$words" ]; then
        words=$rooms_with_threads
        build_and_run tsan "$clangxx" $sanitized -Db_sanitize=thread "-Dcpp_args=$lines_only" -Donly_tests_with_threads=true
    else
        build_and_run tsan-all "$clangxx" $sanitized -Db_sanitize=thread "-Dcpp_args=$lines_only"
    fi
    words=sanitizers/
    case "$all_words " in
    ' ' | *' sanitizers'*)
        # shellcheck disable=SC2086
        build_and_run msan "$clangxx" $sanitized -Db_sanitize=memory "-Dcpp_args=$lines_only"
        ;;
    esac
    words=$all_words
    timeouts=1
fi
if [ $matrix = full ]; then
    export BIGHT_TEST_ALL_ORDERS=1
    if build gcc-optimized "$gxx" -Dbuildtype=release; then
        run gcc-optimized gcc-optimized
        for demultiplexer in io_uring epoll poll select; do
            export BIGHT_REACTOR=$demultiplexer
            run gcc-optimized "gcc-optimized, $demultiplexer"
        done
        unset BIGHT_REACTOR
    fi
    build_and_run clang "$clangxx" -Dbuildtype=debug -Doptimization=1 -Dcpp_args=-gline-tables-only
    # Without precompiled headers, too: each file includes what it uses.
    build_and_run clang-debug "$clangxx" -Dbuildtype=debug -Db_pch=false -Dtest_files_together=1
    build_and_run clang-optimized "$clangxx" -Dbuildtype=release
fi

# What other systems have of their own, in a short form without --full; these read build/gcc.
if [ -z "$words" ]; then
    case $matrix in
    default)
        if in_time 45 macos; then elsewhere macos --short; fi
        if in_time 47 windows; then elsewhere windows --short; fi
        ;;
    full)
        elsewhere windows
        elsewhere macos
        ;;
    esac
fi

if [ -s "$not_tried" ]; then
    echo "== $skipped skipped, and what was left out"
    cat "$not_tried"
fi
if [ -s "$failures" ]; then
    echo "== what failed"
    cat "$failures"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
