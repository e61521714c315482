#!/usr/bin/env python3
"""Checks sites.py: what it makes of a source, and what it says of a site that it cannot build in. The last line is a
summary in the form of Catch2."""
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
import sites  # noqa: E402

SOURCE = """int f(int a) {
    if (a < 3) return 1;
    if (a < 4) return 2;
    first();
    second();
    return a;
}
"""

# What stands under the name of a site, and what of the changed source must be there (or None: what must be said).
CASES = [
    ("if ({{a < 3 ==> a <= 3}}) return", "if ((CHOSEN(N) ? (a <= 3) : (a < 3))) return 1;", None),
    ("if ({{a < 3 ==> false}})", "if ((CHOSEN(N) ? (false) : static_cast<bool>(a < 3)))", None),
    ("{{first(); ==> }} second();", "{ if (CHOSEN(N)) {  } else { first(); } }", None),
    ("{{first();\n second(); ==> second(); first();}}", "{ if (CHOSEN(N)) { second(); first(); } else { first();", None),
    ("return {{1 ==> 2}}; if (a < 4) return {{2 ==> 1}};", "return (CHOSEN(N) ? (1) : (2));", None),
    ("{{third(); ==> }}", None, "is not there any more in lib/f.cpp"),
    ("if ({{a ==> b}}", None, "is there 2 times in lib/f.cpp"),
    ("{{first(); ==> 1}}", None, "a statement becomes a statement"),
    ("{{first();}}", None, "one ==> belongs between the braces"),
    ("first();", None, "there is no {{original ==> changed}}"),
    ("{{first(); ==> first();}}", None, "and then something else"),
]

# Several sites in one place, and in places that are within each other.
TOGETHER = [
    (["{{a < 3 ==> a <= 3}}", "{{a < 3 ==> true}}"], "(CHOSEN(N0) ? (a <= 3) : (CHOSEN(N1) ? (true) : "),
    (["if ({{a < 3 ==> false}}) return 1;", "{{if (a < 3) return 1; ==> }}"], "{  } else { if ((CHOSEN(N0) ? (false) :"),
    (["{{a < 3) return 1; ==> b;}}", "{{if (a < 3) ==> if (b)}} return 1;"], None),
]


def built(texts):
    """The changed source and the numbers, or what is said."""
    with tempfile.TemporaryDirectory() as folder:
        listed = "lib/f.cpp\n\n" + "".join(
            f"change {i}\n" + "".join(f"    {line}\n" for line in text.split("\n")) for i, text in enumerate(texts))
        path = pathlib.Path(folder, "core.txt")
        path.write_text(listed, encoding="utf-8")
        try:
            all_sites = sites.read_all(folder)
            return sites.apply(all_sites, SOURCE), [site.number for site in all_sites]
        except sites.Fault as fault:
            return str(fault), []


def main():
    failed = 0
    for texts, wanted, said in [([text], wanted, said) for text, wanted, said in CASES] + [
            (texts, wanted, None if wanted else "it changes an end of what another site changes")
            for texts, wanted in TOGETHER]:
        got, numbers = built(texts)
        expected = wanted or said
        for i, number in enumerate(numbers):
            expected = expected.replace(f"N{i})", f"{number})").replace("(N)", f"({number})")
        expected = expected.replace("CHOSEN", "::bight::mutants::chosen")
        if bool(numbers) != bool(wanted) or expected not in got:
            failed += 1
            print(f"{texts}: expected {expected!r}, got {got!r}")
    count = len(CASES) + len(TOGETHER)
    print("test cases: 1 | 1 failed" if failed else f"All tests passed ({count} assertions in 1 test case)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
