"""Builds the checkout that this recipe is in, as a Conan 2 package:

    conan create BIGHT/packaging/conan
"""
import pathlib

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, rmdir
from conan.tools.gnu import PkgConfigDeps
from conan.tools.layout import basic_layout
from conan.tools.meson import Meson, MesonToolchain
from conan.tools.scm import Version

required_conan_version = ">=2.0"


class BightRecipe(ConanFile):
    name = "bight"
    version = "0.1.0"
    description = "C++20 coroutine runtime for network programs on io_uring, epoll, poll and select"
    license = "MIT"
    topics = ("coroutines", "networking", "io_uring", "simulation")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "io_uring": [True, False], "tools": [True, False]}
    default_options = {"shared": False, "fPIC": True, "io_uring": True, "tools": False}
    implements = ["auto_shared_fpic"]

    def export_sources(self):
        root = pathlib.Path(self.recipe_folder).parents[1]
        for pattern in "include/*", "lib/*", "packaging/*", "tools/*", "meson.build", "meson_options.txt", "LICENSE":
            copy(self, pattern, src=str(root), dst=self.export_sources_folder)

    def layout(self):
        basic_layout(self)

    def requirements(self):
        if self.options.io_uring:
            self.requires("liburing/[>=2.3 <3]")
        if self.options.tools:
            self.requires("cli11/[>=2.1 <3]", visible=False)

    def build_requirements(self):
        self.tool_requires("meson/[>=1.0 <2]")

    # As meson.build has it.
    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("bight needs Linux")
        check_min_cppstd(self, 20)
        oldest = {"gcc": "12", "clang": "16"}.get(str(self.settings.compiler))
        if oldest and Version(self.settings.compiler.version) < oldest:
            raise ConanInvalidConfiguration("bight needs g++ 12 or later, or clang 16 or later")

    def generate(self):
        PkgConfigDeps(self).generate()
        toolchain = MesonToolchain(self)
        for option in "adapters", "benchmarks", "cares", "fuzzers", "libkqueue", "samples", "tests", "valgrind":
            toolchain.project_options[option] = "disabled"
        toolchain.project_options["only_tests_with_threads"] = False
        toolchain.project_options["test_files_together"] = 1
        for option in "io_uring", "tools":
            toolchain.project_options[option] = "enabled" if self.options.get_safe(option) else "disabled"
        toolchain.generate()

    def build(self):
        meson = Meson(self)
        meson.configure()
        meson.build()

    # Conan says itself where things are.
    def package(self):
        Meson(self).install()
        copy(self, "LICENSE", src=self.source_folder, dst=str(pathlib.Path(self.package_folder, "licenses")))
        for folder in "cmake", "pkgconfig":
            rmdir(self, str(pathlib.Path(self.package_folder, "lib", folder)))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "bight")
        library = self.cpp_info.components["bight"]
        library.set_property("cmake_target_name", "bight::bight")
        library.set_property("pkg_config_name", "bight")
        library.libs = ["bight"]
        library.system_libs = ["pthread"]
        # g++ needs the option for coroutines, clang accepts it; the definition tells the headers that it is there.
        library.cxxflags = ["-foptimize-sibling-calls"]
        library.defines = ["BIGHT_SIBLING_CALLS"]
        if self.options.io_uring:
            library.requires = ["liburing::liburing"]
        if self.options.tools:
            library.requires.append("cli11::cli11")

        simulation = self.cpp_info.components["sim"]
        simulation.set_property("cmake_target_name", "bight::sim")
        simulation.set_property("pkg_config_name", "bight-sim")
        simulation.libs = ["bight-sim"]
        simulation.requires = ["bight"]
        # So that no linker leaves out what makes BIGHT_REACTOR=sim:SEED known.
        keep = ["-Wl,--no-as-needed"] if self.options.shared else ["-Wl,--undefined=bight_offers_simulation"]
        simulation.exelinkflags = simulation.sharedlinkflags = keep
