#!/usr/bin/env python3
"""Looks at the wrap files in subprojects/, without fetching anything: whether each names a source that can be checked, has
the build files that it says, and gives a dependency that meson.build asks for, new enough. The last line is a summary in
the form of Catch2.

usage: wraps.py ROOT
"""
import configparser
import pathlib
import re
import sys

wrong = []
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        wrong.append(what)


def number(version):
    return [int(part) for part in version.split(".")]


def wanted_by(root):
    """What meson.build asks for: the least version, by name."""
    text = (root / "meson.build").read_text()
    return {name.lower(): least or "0"
            for name, least in re.findall(r"dependency\('([\w.-]+)'(?:,\s*version: '>=([\d.]+)')?", text)}


def check_build_files(where, folder, variables, version):
    build = folder / "meson.build"
    check(build.is_file(), f"{where}: there is no {build}")
    if not build.is_file():
        return
    text = build.read_text()
    project = re.search(r"^project\(.*version: '([\d.]+)'", text, re.MULTILINE)
    check(project and project[1] == version, f"{build}: its project has not the version {version}")
    for variable in variables:
        check(re.search(rf"^{variable} = ", text, re.MULTILINE), f"{build}: does not set {variable}")
    listed = re.findall(r"'([\w/.-]+\.c)'", text)
    check(len(listed) == len(set(listed)), f"{build}: lists a source twice")


def check_wrap(path, wanted):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(path)
    where = path.name
    wrap = parser["wrap-file"] if "wrap-file" in parser else {}
    check(wrap.get("source_url", "").startswith("https://"), f"{where}: its source_url is no https://")
    for key in [k for k in ("source_hash", "patch_hash") if k == "source_hash" or "patch_url" in wrap]:
        check(re.fullmatch("[0-9a-f]{64}", wrap.get(key, "")), f"{where}: {key} is no SHA-256")
    version = re.search(r"-(\d[\d.]*)$", wrap.get("directory", ""))
    check(version, f"{where}: its directory has no version")
    if not version:
        return
    check(version[1] in wrap.get("source_filename", ""), f"{where}: its source_filename has another version")
    provided = dict(parser["provide"]) if "provide" in parser else {}
    variables = [v for k, v in provided.items() if k != "dependency_names"]
    names = [k for k in provided if k != "dependency_names"]
    names += [n.strip() for n in provided.get("dependency_names", "").split(",") if n.strip()]
    check(names, f"{where}: provides nothing")
    for name in names:
        check(name in wanted, f"{where}: nothing in meson.build asks for {name}")
        check(name not in wanted or number(version[1]) >= number(wanted[name]),
              f"{where}: {version[1]} is less than meson.build asks for")
    if "patch_directory" in wrap:
        check_build_files(where, path.parent / "packagefiles" / wrap["patch_directory"], variables, version[1])


def main():
    root = pathlib.Path(sys.argv[1])
    wraps = sorted((root / "subprojects").glob("*.wrap"))
    wanted = wanted_by(root)
    check(wraps, "there are no wraps")
    for path in wraps:
        check_wrap(path, wanted)
    folders = {p.name for p in (root / "subprojects" / "packagefiles").iterdir()}
    used = {m for p in wraps for m in re.findall(r"^patch_directory = (\S+)$", p.read_text(), re.MULTILINE)}
    check(folders == used, f"subprojects/packagefiles: {sorted(folders ^ used)} and no wrap for it")
    for line in wrong:
        print(line)
    print("test cases: 1 | 1 failed" if wrong else f"All tests passed ({checks} assertions in 1 test case)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
