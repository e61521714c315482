#!/usr/bin/env python3
"""Checks that a program with a mistake does not compile, and that the compiler says what to write instead.

usage: check.py FILE.cpp COMPILER [ARGUMENT...]

FILE.cpp is compiled twice, with -Wall -Wextra -Werror: as it is, which must succeed, and with MISTAKE defined,
which must fail with a diagnostic that contains the text of each comment "// expect: TEXT" in the file ("expect
g++:" and "expect clang:" are for one compiler). After "// expect each WORD: TEXT" every line with that word at its
beginning must have such a diagnostic of its own. "// mistake compiled with: ARGUMENTS" adds arguments to the second
run. The last line is a summary in the form of Catch2.
"""
import re
import subprocess
import sys


def compiled(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return result.returncode == 0, result.stdout


def main():
    source, command = sys.argv[1], sys.argv[2:]
    version = subprocess.run(command + ["--version"], stdout=subprocess.PIPE, text=True, errors="replace").stdout
    compiler = "clang" if "clang" in version else "g++"
    with open(source, encoding="utf-8") as opened:
        content = opened.read()
    wanted = re.findall(r"^// expect(?: (\S+))?: (.+)$", content, re.MULTILINE)
    texts = [text for only, text in wanted if only in ("", compiler)]
    each = [(number, text)
            for word, text in re.findall(r"^// expect each (\S+): (.+)$", content, re.MULTILINE)
            for number, line in enumerate(content.split("\n"), 1) if re.match(rf"\s+{word}\b", line)]

    # Colours and the quotes of a locale would get between the words.
    command = command + ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fno-diagnostics-color", "-fsyntax-only",
                         source]
    if compiler == "clang":
        command.append("-ferror-limit=0")  # it would stop at twenty
    failures = []
    good, output = compiled(command)
    if not good:
        failures.append("the program without the mistake does not compile:\n" + output)
    extra = re.search(r"^// mistake compiled with: (.+)$", content, re.MULTILINE)
    accepted, output = compiled(command + ["-DMISTAKE"] + (extra.group(1).split() if extra else []))
    if accepted:
        failures.append("the mistake compiles")
    flat = " ".join(output.split())
    for text in texts:
        if text not in flat:
            failures.append(f"the diagnostic does not say \"{text}\":\n{output}")
    for number, text in each:
        if not re.search(rf"^{re.escape(source)}:{number}:.*{re.escape(text)}", output, re.MULTILINE):
            failures.append(f"no diagnostic for line {number} says \"{text}\":\n{output}")
    if not texts and not each:
        failures.append("the file expects nothing")

    for failure in failures:
        print(f"{source}: {failure}")
    if failures:
        print("test cases: 1 | 1 failed")
        return 1
    print(f"All tests passed ({2 + len(texts) + len(each)} assertions in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
