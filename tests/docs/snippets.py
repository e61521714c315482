#!/usr/bin/env python3
"""Generates C++ files from the C++ blocks of the documents, so that these blocks are compiled and run.

usage: snippets.py pages|programs OUT ROOT FOLDER...
       snippets.py check ROOT FOLDER... -- PROGRAM...

`pages` writes all blocks of the pages in these folders; `programs` writes the blocks that are programs, and enters
them in the table of main.cpp. Compilers report errors with the page and its line. OUT.d lists the files that OUT was
made from. `check` reports blocks that are of no kind below, pages with blocks that are in none of the folders, and
whether PROGRAM... are all the pages with a program. A folder stands for its own pages, not for its subfolders.

    ```cpp         declarations; with an `int main`, which comes last, a program
    ```cpp body    statements: of a coroutine, or, if a line begins with `return`, of a function like main()

Declarations that a block needs and the reader need not see stand before it in a comment, <!-- given: ... -->. (They
need no definitions: these blocks are only compiled.) A block sees the declarations of the blocks before it on its
page, and may declare the same names again; a program sees only its own block.
"""
import pathlib
import re
import sys

# The languages of blocks. A block without one would be highlighted as whatever the renderer guesses.
LANGUAGES = {"cpp", "sh", "text", "meson", "cmake", "json", "gdb"}

FENCE = re.compile(r"^ {0,3}```\s*(\S*)\s*(.*?)\s*$")


class Mistake(Exception):
    pass


class Block:
    def __init__(self, page, line, kind, lines, given):
        self.page, self.line, self.kind, self.lines = page, line, kind, lines
        self.given = given  # (line, lines) of the comment before it, or None


def blocks_of(root, page):
    """The C++ blocks of a page, in order."""
    where = page.relative_to(root).as_posix()
    lines = page.read_text(encoding="utf-8").splitlines()
    blocks, given, at = [], None, 0

    def wrong(line, text):
        raise Mistake(f"{where}:{line}: {text}")

    while at < len(lines):
        line = at + 1
        if lines[at].startswith("<!-- given:"):
            end = next((i for i in range(at, len(lines)) if "-->" in lines[i]), None)
            if end is None:
                wrong(line, "the comment is not closed by -->")
            text = "\n".join(lines[at:end + 1])[len("<!-- given:"):]
            given = (line, text[:text.index("-->")].split("\n"))
            at = end + 1
            continue
        fence = FENCE.match(lines[at])
        if not fence:
            if given and lines[at].strip():
                wrong(given[0], "what is given stands directly in front of a block of C++")
            at += 1
            continue
        end = next((i for i in range(at + 1, len(lines)) if lines[i].strip() == "```"), None)
        if end is None:
            wrong(line, "the block is not closed")
        language, more = fence.groups()
        if language not in LANGUAGES:
            wrong(line, f"a block of {language or 'no language'}: name one of {', '.join(sorted(LANGUAGES))}")
        if more not in ("", "body") or (more and language != "cpp"):
            wrong(line, f"{language} {more}: a block of C++ is 'cpp' or 'cpp body', another has its language only")
        if given and language != "cpp":
            wrong(given[0], "what is given stands directly in front of a block of C++")
        if language == "cpp":
            blocks.append(block_of(where, line + 1, more, lines[at + 1:end], given, wrong))
            given = None
        at = end + 1
    if given:
        wrong(given[0], "what is given stands directly in front of a block of C++")
    if sum(b.kind == "program" for b in blocks) > 1:
        wrong(1, "has two programs; a page has one at most")
    return blocks


def block_of(page, line, more, lines, given, wrong):
    kind = more or "declarations"
    main = next((i for i, text in enumerate(lines) if text.startswith("int main(")), None)
    if main is not None:
        if kind == "body":
            wrong(line + main, "a function main in a body: a program is 'cpp' alone")
        if given:
            wrong(given[0], "a program shows all that it needs")
        kind = "program"
        # Only the global main() may omit its return statement.
        last = lines[-1]
        if last.startswith("}"):
            lines = lines[:-1] + ["return 0; " + last]
        elif len(lines) != main + 1:
            wrong(line + main, "main() comes last in a program")
    return Block(page, line, kind, lines, given)


def name_of(page):
    return "page_" + re.sub(r"\W", "_", page)


class Writer:
    """Collects the text; #include lines are moved to the top of the file."""

    def __init__(self):
        self.includes, self.text = {}, []

    def lines(self, page, line, lines):
        self.text.append(f'#line {line} "{page}"')
        for at, text in enumerate(lines):
            if text.startswith("#include"):
                self.includes.setdefault(text.split("//")[0].strip(), (page, line + at))
                text = ""
            self.text.append(text)

    def block(self, block):
        if block.given:
            self.lines(block.page, *block.given)
        if block.kind != "body":
            self.lines(block.page, block.line, block.lines)
            return
        plain = any(re.match(r"return\b", text) for text in block.lines)
        self.text.append("int body() {" if plain else "bight::task<> body() {")
        self.lines(block.page, block.line, block.lines)
        self.text.append("}" if plain else "co_return; }")

    def page(self, blocks):
        self.text.append(f"namespace {name_of(blocks[0].page)} {{ using namespace std::chrono_literals;")
        for number, block in enumerate(blocks, 1):
            self.text.append(f"namespace block_{number} {{")
            self.block(block)
        self.text.append("}" * (len(blocks) + 1))

    def program(self, block):
        name = name_of(block.page)
        self.text.append(f"namespace {name} {{")
        self.block(block)
        self.text.append(f'}}\nstatic const docs::program run_{name}("{block.page}", {name}::main);')

    def result(self, first):
        out = ["// Made by tests/docs/snippets.py.", *first]
        for include, (page, line) in self.includes.items():
            out += [f'#line {line} "{page}"', include]
        return "\n".join(out + self.text) + "\n"


def pages_in(root, folders):
    return [page for folder in folders for page in sorted((root / folder).glob("*.md"))]


def write(what, root, folders):
    writer = Writer()
    for page in pages_in(root, folders):
        blocks = blocks_of(root, page)
        if what == "pages" and blocks:
            writer.page(blocks)
        elif what == "programs":
            for block in blocks:
                if block.kind == "program":
                    writer.program(block)
    if what == "programs":
        return writer.result(['#include "docs/program.hpp"'])
    return writer.result(["#include <bight/bight.hpp>", "#include <chrono>"])


def all_pages(root):
    """All pages of the project: without build directories and subprojects."""
    for page in sorted(root.rglob("*.md")):
        parts = page.relative_to(root).parts
        if parts[0] not in ("build", "subprojects") and not any(part.startswith(".") for part in parts):
            yield page


def check(root, folders, programs):
    """The mistakes, one line each."""
    found, mistakes = [], []
    looked_at = set(pages_in(root, folders))
    for page in all_pages(root):
        try:
            blocks = blocks_of(root, page)
        except Mistake as mistake:
            mistakes.append(str(mistake))
            continue
        if blocks and page not in looked_at:
            mistakes.append(f"{blocks[0].page}:{blocks[0].line}: its folder is in no group of tests/docs/meson.build")
        found += [block.page for block in blocks if block.kind == "program"]
    mistakes += [f"{page}: its program is not in tests/docs/meson.build, so nothing runs it"
                 for page in sorted(set(found) - set(programs))]
    mistakes += [f"{page}: tests/docs/meson.build runs it, and it has no program"
                 for page in sorted(set(programs) - set(found))]
    return mistakes


def main():
    what = sys.argv[1]
    if what == "check":
        root, end = pathlib.Path(sys.argv[2]).resolve(), sys.argv.index("--")
        mistakes = check(root, sys.argv[3:end], sys.argv[end + 1:])
        print("\n".join(mistakes))
        print("test cases: 1 | 1 failed" if mistakes else "All tests passed (1 assertion in 1 test case)")
        return 1 if mistakes else 0
    out, root, folders = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve(), sys.argv[4:]
    try:
        out.write_text(write(what, root, folders), encoding="utf-8")
    except Mistake as mistake:
        print(mistake, file=sys.stderr)
        return 1
    # The folders, too: they change when a page is added or removed.
    made_from = [str(root / folder) for folder in folders] + [str(page) for page in pages_in(root, folders)]
    pathlib.Path(f"{out}.d").write_text(f"{out}: {' '.join(made_from)}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
