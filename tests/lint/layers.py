#!/usr/bin/env python3
"""Checks that no include goes up the table of layers (docs/design/layers.md): a room may include itself and the rooms
before it, never one after it; that what is in a room's detail/ is of that room; that a public header needs no
platform: neither a header of C or of the system, nor an #if that asks for one; and that in lib/ only `demux` and the files
of a platform know one.

usage: layers.py ROOT [--arrows]

ROOT is the folder that has include/ and lib/. With --arrows it prints which rooms know which, and how often. The last
line is a summary in the form of Catch2.
"""
import collections
import pathlib
import re
import sys

# From the ground up. `demux` knows the buffers of `io`, and `net` both. `with` is headers only: what joins bight with
# other libraries, one each.
ROOMS = ["core", "sync", "generator", "thread", "service", "io", "demux", "net", "os", "sim", "with"]

# Where everything is included, on purpose.
EVERYTHING = {"bight.hpp"}

# What replaces functions of the C library is for one; what joins bight with another library includes that.
OF_A_PLATFORM = {"sim/guard.hpp"}
OF_LIBRARIES = "with"
PLATFORM = re.compile(r"^\s*#\s*(?:include\s*<(?!bight/)[^>]*[./][^>]*>|"
                      r"(?:el)?if.*\b(?:__linux__|__unix__|__APPLE__|_WIN32)\b)", re.MULTILINE)

# In lib/, outside of `demux`: what differs between systems is in a file for each, or in a header that says what they call it.
FILES_OF_A_SYSTEM = re.compile(
    r"core/(?:windows_\w+\.[ch]pp|posix_signals\.cpp|process\.cpp|standard_descriptors\.cpp|system_error\.hpp|"
    r"without_sigpipe\.hpp|no_signals\.hpp|core_foundation\.cpp)|"
    r"thread/(?:windows_\w+|system_threads|parker)\.cpp|"
    r"io/(?:socket|address)_headers\.hpp|"
    r"net/(?:linux_\w+\.[ch]pp|windows_\w+\.cpp|\w+_watch_kernel\.cpp|posix_look_up\.cpp|descriptor_control\.cpp|"
    r"inherited_descriptor\.cpp|uring_operation\.cpp)|"
    r"os/(?:(?:child_(?!process)\w+|inotify|paths|pipe_transport|pseudo_terminal|pipe|standard_streams|signal_name|"
    r"stream_over|system_process_calls|terminal|watched_\w+|kqueue_\w+|windows_\w+)\.cpp|"
    r"windows_\w+\.hpp|"
    r"waiting_mode\.hpp)|"
    r"sim/(?:windows_explore\.cpp|explore_child\.cpp|explore_search\.cpp|child_pipe\.hpp|child_process\.hpp|"
    r"replay_command\.cpp)")  # the last one: commands of a shell
# Headers of C that each compiler has are none: errno.h, fcntl.h for the flags of files, sys/stat.h.
OF_A_SYSTEM = re.compile(
    r"^\s*#\s*(?:include\s*<(?:unistd|poll|netdb|signal|pthread|sched|dirent|windows|winsock2|ws2tcpip|mswsock|"
    r"iphlpapi|afunix|liburing|arpa/|net/|netinet/|linux/|mach/|CoreFoundation/|sys/(?!stat\.h|types\.h))[^>]*>|"
    r"(?:el)?if.*\b(?:__linux__|__unix__|__APPLE__|__FreeBSD__|__NetBSD__|__OpenBSD__|_WIN32)\b)", re.MULTILINE)

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<(bight/[^>]+)>|"([^"]+)")', re.MULTILINE)


def room_of(path, root):
    """The room of a file below include/bight or lib; None for those that are in none."""
    for base in (root / "include" / "bight", root / "lib"):
        if path.is_relative_to(base):
            parts = path.relative_to(base).parts
            return parts[0] if len(parts) > 1 else None
    return None


def included(path, root):
    """(line, file) of each include of bight's own in `path`."""
    text = path.read_text()
    for match in INCLUDE.finditer(text):
        line = text.count("\n", 0, match.start(0)) + 1
        public, private = match.groups()
        if public:
            yield line, root / "include" / public
            continue
        for folder in (path.parent, root / "lib"):
            if (folder / private).exists():
                yield line, pathlib.Path(folder / private).resolve()
                break


def of_a_platform(path, root):
    """(line, directive) of what a public header takes from a platform."""
    public = root / "include/bight"
    if not path.is_relative_to(public) or path.relative_to(public).as_posix() in OF_A_PLATFORM:
        return
    if path.relative_to(public).parts[0] == OF_LIBRARIES:
        return
    text = path.read_text()
    for found in PLATFORM.finditer(text):
        yield text.count("\n", 0, found.start(0)) + 1, found.group().strip()


def of_a_system(path, root):
    """(line, directive) of what a file of lib/ takes from a system, although it is for all of them."""
    private = root / "lib"
    if not path.is_relative_to(private):
        return
    name = path.relative_to(private).as_posix()
    if name.startswith("demux/") or FILES_OF_A_SYSTEM.fullmatch(name):
        return
    text = path.read_text()
    for found in OF_A_SYSTEM.finditer(text):
        yield text.count("\n", 0, found.start(0)) + 1, found.group().strip()


def check(root):
    """What is wrong, a line each, and the arrows between rooms."""
    wrong, arrows = [], collections.Counter()
    files = sorted(f for f in list(root.glob("include/bight/**/*.hpp")) + list(root.glob("lib/**/*.?pp")))
    for path in files:
        room = room_of(path, root)
        name = path.relative_to(root)
        if room is None:
            if path.name not in EVERYTHING:
                wrong.append(f"{name}: is in no room")
            continue
        if room not in ROOMS:
            wrong.append(f"{name}: {room} is not in the table of rooms")
            continue
        wrong += [f"{name}:{line}: {what}: what is of a platform is in lib/ only"
                  for line, what in of_a_platform(path, root)]
        wrong += [f"{name}:{line}: {what}: what is of a system is in lib/demux, or in a file of its own"
                  for line, what in of_a_system(path, root)]
        for line, target in included(path, root):
            if target.name in EVERYTHING and room_of(target, root) is None:
                if room != "sim":
                    wrong.append(f"{name}:{line}: includes {target.name}, which includes every room")
                continue
            other = room_of(target, root)
            if other is None or other not in ROOMS:
                wrong.append(f"{name}:{line}: includes {target.name}, which is in no room")
                continue
            if other != room:
                arrows[room, other] += 1
            if ROOMS.index(other) > ROOMS.index(room):
                wrong.append(f"{name}:{line}: {room} may not know {other}: "
                             f"{target.relative_to(root)} is above it in the table")
    return len(files), wrong, arrows


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    count, wrong, arrows = check(root)
    if "--arrows" in sys.argv:
        for (room, other), times in sorted(arrows.items(), key=lambda a: (ROOMS.index(a[0][0]), a[0][1])):
            print(f"{room} -> {other}: {times}")
    for line in wrong:
        print(line)
    if wrong or count < 100:
        print(f"test cases: 1 | 1 failed ({len(wrong)} includes, {count} files)")
        return 1
    print("All tests passed (1 assertion in 1 test case)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
