#!/usr/bin/env python3
"""Checks that a program with mistakes does not compile, and that the compiler says briefly what to write instead.

usage: check.py FILE.cpp COMPILER [ARGUMENT...]

FILE.cpp is compiled twice, with -Wall -Wextra -Werror: as it is, which must succeed, and with MISTAKE defined,
which must fail. What the compiler then says is divided into its errors, each with the lines around it that say where.
The file has these comments:

  // expect: TEXT              the output contains the text ("expect g++:" and "expect clang:" for one compiler)
  // expect each WORD: TEXT    every line with that word at its beginning has a diagnostic of its own with that text
  … // says: TEXT              at the end of a line: there is an error that names this line, and whose first line
                               contains the text; and then there is no error that names no such line
  … // shows: TEXT             the same, where the text is in the lines around the error
  // at most N lines           needed: the most lines that the output may have, for each mistake in the file ("at
                               most N lines of g++", "at most N lines of clang" for one compiler)
  // mistake compiled with: ARGUMENTS   more arguments for the second run

The last line is a summary in the form of Catch2.
"""
import re
import subprocess
import sys

# What stands before an error to say where it is.
HEAD = re.compile(r"^In file included from |^\s+from |^[^ ].*: (In|At) [^:]*.*:$|^[^ ].*:   required ")


def compiled(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    return result.returncode == 0, result.stdout


def errors_of(output):
    """The errors, each as a list of lines: those that lead to it, the error, and what belongs to it."""
    errors, block, heads, has_error = [], [], [], False
    for line in output.split("\n"):
        if HEAD.match(line):
            heads.append(line)
            continue
        if " error: " in line:
            if has_error:
                errors.append(block)
                block = []
            has_error = True
        block += heads + [line]
        heads = []
    return errors + [block] if has_error else errors


def said_by_compiler(block):
    """The block without what it shows of the marked lines, whose comments have the text that is looked for."""
    return " ".join(" ".join(line for line in block if "// says: " not in line and "// shows: " not in line).split())


def check_limit(content, compiler, output, mistakes):
    limits = re.findall(r"^// at most (\d+) lines(?: of (\S+))?$", content, re.MULTILINE)
    most = [int(number) for number, only in limits if only in ("", compiler)]
    if len(most) != 1:
        return [f"the file says {len(most)} times how many lines {compiler} may print for a mistake"]
    printed = len(output.strip().split("\n"))
    if printed > most[0] * mistakes:
        return [f"{printed} lines for {mistakes} mistakes, and {most[0]} at most for each:\n{output}"]
    return []


def check_marked(content, source, output):
    """The lines with "says" and "shows": how many there are, and what is wrong."""
    marks = {number: found.groups() for number, line in enumerate(content.split("\n"), 1)
             if (found := re.search(r"\S.*// (says|shows): (.+)$", line))}
    failures, named = [], set()
    for block in errors_of(output) if marks else []:
        text = "\n".join(block)
        lines = {int(n) for n in re.findall(rf"^{re.escape(source)}:(\d+):", text, re.MULTILINE)} & marks.keys()
        if not lines:
            failures.append(f"an error that names none of the marked lines:\n{text}")
        error = next(line for line in block if " error: " in line)
        named |= {n for n in lines if marks[n][1] in (error if marks[n][0] == "says" else said_by_compiler(block))}
    failures += [f"no error for line {n} {marks[n][0]} \"{marks[n][1]}\":\n{output}" for n in marks.keys() - named]
    return len(marks), failures


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
    marked, wrong = check_marked(content, source, output)
    failures += wrong + check_limit(content, compiler, output, max(1, len(each) + marked))
    if not texts and not each and not marked:
        failures.append("the file expects nothing")

    for failure in failures:
        print(f"{source}: {failure}")
    if failures:
        print("test cases: 1 | 1 failed")
        return 1
    print(f"All tests passed ({3 + len(texts) + len(each) + marked} assertions in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
