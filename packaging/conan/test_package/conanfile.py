"""Uses the package as a program would: `conan create` builds this and runs it."""
import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class BightTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "CMakeToolchain"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self):
        if can_run(self):
            alone, simulated = (os.path.join(self.cpp.build.bindir, name) for name in ("alone", "simulated"))
            for command in alone, simulated, f"BIGHT_REACTOR=sim:1 {simulated}":
                self.run(command, env="conanrun")
