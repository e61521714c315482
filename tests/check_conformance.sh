#!/bin/sh
# Verifies that each test named in docs/conformance.md exists: `ROOM/SUBJECT` "test case" is a TEST_CASE in
# tests/ROOM/SUBJECT_test.cpp, and tests/meson.build lists the subject. Prints what is missing.
# usage: check_conformance.sh
set -eu
cd "$(dirname "$0")"

page=../docs/conformance.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

grep -o '`[a-z_]*/[a-z_0-9]*` "[^"]*"' "$page" | sort -u >"$scratch/references"
if ! [ -s "$scratch/references" ]; then
    echo "$page names no test" >&2
    exit 1
fi

# The test cases of a file, one a line; a name may be written as several literals, over several lines.
test_cases() {
    tr '\n' ' ' <"$1" | sed 's/" *"//g' | grep -o 'TEST_CASE( *"[^"]*"' | sed 's/.*( *"\(.*\)"/\1/'
}

missing=0
while IFS= read -r reference; do
    test=$(echo "$reference" | sed 's/`\([^`]*\)`.*/\1/')
    name=$(echo "$reference" | sed 's/[^"]*"\(.*\)"/\1/')
    room=${test%/*}
    subject=${test#*/}
    source=$room/${subject}_test.cpp
    if ! [ -f "$source" ]; then
        echo "$page: there is no tests/$source"
    elif ! test_cases "$source" | grep -qxF "$name"; then
        echo "$page: tests/$source has no test case \"$name\""
    elif ! sed -n "/'$room': [^[]*\[/,/\]/p" meson.build | grep -q "'$subject'"; then
        echo "$page: tests/meson.build does not list $test"
    else
        continue
    fi
    missing=$((missing + 1))
done <"$scratch/references"

echo "$(wc -l <"$scratch/references") tests named, $missing missing"
[ "$missing" -eq 0 ]
