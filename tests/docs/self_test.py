#!/usr/bin/env python3
"""Tests snippets.py: a block that does not compile, or has a form that coroutines must not have, is reported with its
page and line, no block is left out, and blocks of an unknown kind are refused.

usage: self_test.py ROOT COMPILER [ARGUMENT...]

The last line is a summary in the form of Catch2.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
import snippets  # noqa: E402

PAGE = """# A page

<!-- given:
int depth();
-->
```cpp
#include <string>
int deep() { return depth(); }
```

```cpp body
const std::string text = "deep";
{
    co_await bight::sleep_for(1s)%s
}
```

```cpp body
return deep();
```

```cpp
int deep() { return 3; }

int main() {
    if (deep() != 3) return 1;
}
```
"""

# Pages with a mistake, and how the report of it begins.
REFUSED = [
    ("```\nx\n```\n", "page.md:1: a block of no language"),
    ("\n```c++\nx\n```\n", "page.md:2: a block of c++"),
    ("```cpp boddy\nx\n```\n", "page.md:1: cpp boddy"),
    ("```sh body\nx\n```\n", "page.md:1: sh body"),
    ("text\n\n```cpp\nint x;\n", "page.md:3: the block is not closed"),
    ("<!-- given:\nint x;\n-->\nand text\n```cpp\nint y;\n```\n", "page.md:1: what is given stands"),
    ("<!-- given:\nint x;\n-->\n```sh\nls\n```\n", "page.md:1: what is given stands"),
    ("<!-- given:\nint x;\n", "page.md:1: the comment is not closed"),
    ("```cpp\nint main() { return 0; }\n```\n```cpp\nint main() { return 0; }\n```\n", "page.md:1: has two programs"),
    ("<!-- given:\nint x;\n-->\n```cpp\nint main() { return x; }\n```\n", "page.md:1: a program shows all"),
    ("```cpp\nint main() { return 0; }\nint x;\n```\n", "page.md:2: main() comes last"),
    ("```cpp body\nint main() { return 0; }\n```\n", "page.md:2: a function main in a body"),
]

checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        print(what)
        print(f"test cases: {checks} | 1 failed")
        sys.exit(1)


def code_of(text):
    """The code that a page becomes."""
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "page.md").write_text(text)
        return snippets.write("pages", pathlib.Path(folder), ["."])


def compile_page(text, compiler):
    """The compiler's exit status and output."""
    code = code_of(text)
    result = subprocess.run(compiler + ["-std=c++20", "-fsyntax-only", "-x", "c++", "-"], input=code, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return result.returncode, result.stdout


def idioms_of(text, checker):
    """The output of coroutine_idioms.py."""
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as generated:
        generated.write(code_of(text))
        generated.flush()
        return subprocess.run([sys.executable, checker, generated.name], text=True, stdout=subprocess.PIPE).stdout


def main():
    root, compiler = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]

    status, said = compile_page(PAGE % ";", compiler)
    check(status == 0, f"a good page does not compile:\n{said}")
    status, said = compile_page(PAGE % "", compiler)
    check(status != 0 and re.search(r"^page\.md:1[45]:\d+: error", said, re.M),
          f"a missing semicolon in line 14 is not reported there:\n{said}")

    checker = root / "tools/coroutine_idioms.py"
    said = idioms_of(PAGE % ";", checker)
    check(said == "", f"a good page has what coroutines must not have:\n{said}")
    said = idioms_of(PAGE % ", co_await bight::yield();", checker)
    check(said.startswith("page.md:14: one-await: ") and said.count("\n") == 1,
          f"two awaits in line 14 are not reported there:\n{said}")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for text, expected in REFUSED:
            (folder / "page.md").write_text(text)
            found = snippets.check(folder, ["."], [])
            check(any(line.startswith(expected) for line in found), f"{text!r} gives {found}, not {expected}")
        (folder / "page.md").write_text("```cpp\nint x;\n```\n")
        check(snippets.check(folder, ["."], []) == [], "a page that is right is refused")
        check("in no group" in "".join(snippets.check(folder, ["docs"], [])), "a page in no group is not noticed")
        check("no program" in "".join(snippets.check(folder, ["."], ["page.md"])), "a program that is gone")
        (folder / "page.md").write_text(PAGE % ";")
        check("nothing runs it" in "".join(snippets.check(folder, ["."], [])), "a program that nothing runs")

    # No block is left out: found in a simpler way, the first line of each is in the generated code.
    for page in snippets.all_pages(root):
        where = page.relative_to(root)
        lines = page.read_text(encoding="utf-8").split("\n")
        code = snippets.write("pages", root, [where.parent.as_posix()])
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*```\s*(cpp|c\+\+|cc|cxx)", line, re.I):
                check(f'#line {number + 1} "{where.as_posix()}"' in code, f"{where}:{number}: this block is left out")

    print(f"All tests passed ({checks} assertions in 1 test case)")


if __name__ == "__main__":
    main()
