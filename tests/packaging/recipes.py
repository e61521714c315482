#!/usr/bin/env python3
"""Looks at the recipes in packaging/, without vcpkg and Conan: whether they are in step with the build.

usage: recipes.py ROOT VERSION CMAKE

The port is run by CMake (or not at all, for want of one: CMAKE is empty), and the Conan recipe by Python, with stand-ins for
what these tools offer, which note what they are asked for. The last line is a summary in the form of Catch2.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import types

STAND_INS = """
cmake_minimum_required(VERSION 3.16)
set(CURRENT_PORT_DIR "{port}")
set(CURRENT_PACKAGES_DIR "{packages}")
set(PORT bight)
set(FEATURES {features})
function(vcpkg_configure_meson)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" SOURCE_PATH OPTIONS)
  message("source ${{arg_SOURCE_PATH}}")
  foreach(option IN LISTS arg_OPTIONS)
    message("option ${{option}}")
  endforeach()
endfunction()
function(vcpkg_install_meson)
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_cmake_config_fixup)
  message("fixup ${{ARGN}}")
endfunction()
function(vcpkg_copy_tools)
  message("tools ${{ARGN}}")
endfunction()
function(vcpkg_install_copyright)
  if(NOT EXISTS "${{ARGV1}}")
    message(FATAL_ERROR "there is no ${{ARGV1}}")
  endif()
endfunction()
include("{port}/portfile.cmake")
"""

wrong = []
checks = 0


def check(holds, what):
    global checks
    checks += 1
    if not holds:
        wrong.append(what)


def meson_options(root):
    return set(re.findall(r"^option\('(\w+)'", (root / "meson_options.txt").read_text(), re.MULTILINE))


def check_vcpkg(root, version, cmake):
    port = root / "packaging/vcpkg/bight"
    manifest = json.loads((port / "vcpkg.json").read_text())
    check(manifest["name"] == "bight" and manifest["version"] == version, f"vcpkg.json is of version {manifest['version']}")
    features = set(manifest["features"])
    check(set(manifest["default-features"]) <= features, "a default feature of vcpkg.json is none")
    check({"io-uring", "tools"} == features, f"the features of vcpkg.json are {features}")
    if not cmake:
        print("left out: the vcpkg port is not run: there is no CMake")
        return
    for chosen in set(), features:
        with tempfile.TemporaryDirectory() as packages:
            script = pathlib.Path(packages, "port.cmake")
            script.write_text(STAND_INS.format(port=port, packages=packages, features=" ".join(sorted(chosen))))
            ran = subprocess.run([cmake, "-P", script], capture_output=True, text=True)
            check(ran.returncode == 0, f"portfile.cmake: {ran.stderr}")
            check(pathlib.Path(packages, "share/bight/usage").exists(), "portfile.cmake installs no usage")
        said = ran.stderr.splitlines()
        check(f"source {root}" in said, f"portfile.cmake builds another source: {said}")
        options = dict(re.fullmatch(r"option -D(\w+)=(\w+)", line).groups() for line in said if line.startswith("option "))
        check(options.keys() == meson_options(root), f"portfile.cmake sets {set(options)}, not all options there are")
        on = {name for name, value in options.items() if value == "enabled"}
        check(on == {name.replace("-", "_") for name in chosen}, f"{chosen} enable {on}")
        check(("tools TOOL_NAMES;bight;AUTO_CLEAN" in said) == ("tools" in chosen), f"tools are not copied when they are there: {said}")


class Anything:
    """Takes every call, attribute and item."""

    def __init__(self, *_, **__):
        self.properties, self.project_options, self.components = {}, {}, {}
        self.requires = []

    def __getattr__(self, name):
        return lambda *_, **__: Anything()

    def set_property(self, name, value):
        self.properties[name] = value


def stand_in_for_conan(toolchains):
    class Toolchain(Anything):
        def generate(self):
            toolchains.append(self)

    modules = {
        "conan": {"ConanFile": type("ConanFile", (), {})},
        "conan.errors": {"ConanInvalidConfiguration": type("ConanInvalidConfiguration", (Exception,), {})},
        "conan.tools": {},
        "conan.tools.build": {"check_min_cppstd": lambda *_: None},
        "conan.tools.files": {"copy": None, "rmdir": None},
        "conan.tools.gnu": {"PkgConfigDeps": Anything},
        "conan.tools.layout": {"basic_layout": None},
        "conan.tools.meson": {"Meson": Anything, "MesonToolchain": Toolchain},
        "conan.tools.scm": {"Version": lambda text: str(text)},
    }
    for name, content in modules.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(content)


class Components(dict):
    def __missing__(self, name):
        self[name] = Anything()
        return self[name]


class Options(types.SimpleNamespace):
    def get_safe(self, name):
        return getattr(self, name)


class OldCompiler:
    version = "11"

    def __str__(self):
        return "gcc"


def check_conan(root, version):
    toolchains = []
    stand_in_for_conan(toolchains)
    scope = {}
    recipe_file = root / "packaging/conan/conanfile.py"
    exec(compile(recipe_file.read_text(), recipe_file, "exec"), scope)  # pylint: disable=exec-used
    check(scope["BightRecipe"].version == version, f"conanfile.py is of version {scope['BightRecipe'].version}")

    copied = []
    scope["copy"] = lambda _, pattern, src, dst: copied.append((pattern, src))
    recipe = scope["BightRecipe"]()
    recipe.recipe_folder, recipe.export_sources_folder = str(recipe_file.parent), "elsewhere"
    recipe.export_sources()
    for pattern, folder in copied:
        check(folder == str(root) and list(root.glob(pattern)), f"there is no {folder}/{pattern} to export")
    needed = re.findall(r"^\s*subdir\('(\w+)", (root / "meson.build").read_text(), re.MULTILINE)
    exported = {pattern.split("/")[0] for pattern, _ in copied}
    check(set(needed) - exported <= {"samples", "tests"}, f"meson.build needs {needed}, and {exported} are exported")

    for shared in False, True:
        recipe.options = Options(shared=shared, fPIC=True, io_uring=shared, tools=not shared)
        recipe.generate()
        options = toolchains[-1].project_options
        check(options.keys() == meson_options(root), f"conanfile.py sets {set(options)}, not all options there are")
        check(options["io_uring"] == ("enabled" if shared else "disabled"), f"io_uring is {options['io_uring']}")
        recipe.cpp_info = Anything()
        recipe.cpp_info.components = Components()
        recipe.package_info()
        parts = recipe.cpp_info.components
        check({p.properties["cmake_target_name"] for p in parts.values()} == {"bight::bight", "bight::sim"}, "its targets")
        check(parts["bight"].cxxflags == ["-foptimize-sibling-calls"] and parts["bight"].defines == ["BIGHT_SIBLING_CALLS"],
              "its flags")
        check(("liburing::liburing" in parts["bight"].requires) == shared, "what it requires")

    recipe.settings = types.SimpleNamespace(os="Linux", compiler=OldCompiler())
    try:
        recipe.validate()
        check(False, "conanfile.py takes g++ 11")
    except scope["ConanInvalidConfiguration"]:
        check(True, "")


def main():
    root, version, cmake = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    check_vcpkg(root, version, cmake)
    check_conan(root, version)
    for what in wrong:
        print(f"FAILED: {what}")
    if wrong:
        print("test cases: 1 | 1 failed")
        return 1
    print(f"All tests passed ({checks} assertions in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
