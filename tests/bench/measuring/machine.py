"""The machine, and the versions of what was measured."""
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from report.model import Table

from .setting import ROOT


def said(*command):
    """The first line that a program prints; nothing if it cannot."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]


def found(pattern, path):
    try:
        match = re.search(pattern, Path(path).read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        return ""
    return match.group(1).strip() if match else ""


def processors():
    model = found(r"^model name\s*:(.*)", "/proc/cpuinfo") or platform.machine()
    count = len(os.sched_getaffinity(0))
    virtual = ", in a virtual machine" if found(r"^flags\s*:.*\b(hypervisor)\b", "/proc/cpuinfo") else ""
    return f"{count} × {model}{virtual}"


def asio_version():
    number = found(r"^#define ASIO_VERSION (\d+)", "/usr/include/asio/version.hpp")
    return f"{int(number) // 100000}.{int(number) // 100 % 1000}.{int(number) % 100}" if number else ""


def commit():
    name = said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    changed = said("git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", "lib", "include")
    return name + (", with changes that are not committed" if name and changed else "")


def busy(load):
    """The average number of processes that wanted a processor, and what that says of the figures."""
    return f"{load:.1f}" + (": the machine was busy, and figures of time are rough" if load > 0.5 else "")


def description(setting):
    distribution = found(r'^PRETTY_NAME="?([^"]*)', "/etc/os-release")
    kib = found(r"^MemTotal:\s*(\d+)", "/proc/meminfo")
    rows = {
        "bight": commit(),
        "processors": processors(),
        "memory": f"{int(kib) / 1048576:.0f} GiB" if kib else "",
        "system": f"{distribution}, Linux {platform.release()}",
        "compiler": said(*setting.compiler.split(), "--version"),
        "liburing": said("pkg-config", "--modversion", "liburing"),
        "Asio": asio_version(),
        "libuv": said("pkg-config", "--modversion", "libuv"),
        "libevent": said("pkg-config", "--modversion", "libevent"),
        "HAProxy": re.sub(r" 20.*", "", said("haproxy", "-v").replace("HAProxy version ", "")) if shutil.which("haproxy") else "",
        "load before it began": busy(os.getloadavg()[0]),
    }
    return Table(["", ""], [[name, value or "not here"] for name, value in rows.items()])
