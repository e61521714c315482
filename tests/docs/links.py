#!/usr/bin/env python3
"""Checks that every relative link in a document leads to an existing file and heading, and that docs/README.md links to
every page in docs/.

usage: links.py ROOT

`links.py --self-test` tests the checks. The last line of the output is a summary in the form of Catch2.
"""
import os
import pathlib
import re
import sys
import tempfile

sys.dont_write_bytecode = True
import snippets  # noqa: E402

LINK = re.compile(r"\]\(([^()\s]*)\)")


def prose(page):
    """The lines of a page outside of code blocks, as (number, text); brackets within inline code are blanked."""
    inside = False
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, re.sub(r"(`+).*?\1", lambda code: re.sub(r"[\]\[()]", " ", code.group()), line)


def anchors(page):
    """The anchors of its headings."""
    for _, line in prose(page):
        heading = re.match(r"#+ (.*)", line)
        if heading:
            text = re.sub(r"\]\([^)]*\)|[\[`*]", "", heading.group(1)).strip().lower()
            yield re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def mistakes(root):
    index = root / "docs/README.md"
    reached = {index}
    for page in snippets.all_pages(root):
        where = page.relative_to(root).as_posix()
        for number, line in prose(page):
            for link in LINK.findall(line):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, anchor = link.partition("#")
                target = pathlib.Path(os.path.normpath(page.parent / path)) if path else page
                if not target.exists():
                    yield f"{where}:{number}: {link}: there is no such file"
                elif anchor and anchor not in anchors(target):
                    yield f"{where}:{number}: {link}: there is no such heading"
                elif page == index:
                    reached.add(target)
    for page in snippets.all_pages(root):
        if index.parent in page.parents and page not in reached:
            yield f"docs/README.md: has no link to {page.relative_to(index.parent).as_posix()}"


def self_test():
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "docs/core").mkdir(parents=True)
        (root / "docs/README.md").write_text("[a](core/a.md), [here](#the-index-of-all) `[no](link)`\n\n"
                                             "# The *index* of `all`\n```sh\n[no](link)\n```\n")
        (root / "docs/core/a.md").write_text("[gone](b.md)\n[up](../README.md#nothing) [web](https://example.org/x)\n")
        (root / "docs/c.md").write_text("[a](core/a.md)\n")
        found = list(mistakes(root))
    expected = [
        "docs/core/a.md:1: b.md: there is no such file",
        "docs/core/a.md:2: ../README.md#nothing: there is no such heading",
        "docs/README.md: has no link to c.md",
    ]
    return [] if found == expected else [f"found {found} where {expected} is wrong"]


def main():
    found = self_test() if sys.argv[1] == "--self-test" else list(mistakes(pathlib.Path(sys.argv[1]).resolve()))
    print("\n".join(found))
    print("test cases: 1 | 1 failed" if found else "All tests passed (1 assertion in 1 test case)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
