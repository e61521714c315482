"""What is measured: bight, the bare system calls, and other libraries."""
import dataclasses
import shutil

from .setting import Unavailable

RAW, BIGHT, PEER = "raw", "bight", "peer"


@dataclasses.dataclass(frozen=True)
class Subject:
    name: str
    family: str
    program: str  # of the build, or of the system
    arguments: tuple = ("{port}",)
    reactor: str = ""  # bight's demultiplexer
    package: str = ""  # without which the program is not there
    installed: bool = False  # a program of the system
    protocol: str = "tcp"  # or udp: by which it is known to have started

    @property
    def environment(self):
        return {"BIGHT_REACTOR": self.reactor} if self.reactor else {}

    def path(self, setting):
        if not self.installed:
            return setting.program(self.program, self.package)
        found = shutil.which(self.program)
        if not found:
            raise Unavailable(f"{self.package} is not installed")
        return found

    def command_for(self, setting, **places):
        return [self.path(setting)] + [argument.format(**places) for argument in self.arguments]


def bight(program, *arguments):
    """On both of Linux's better demultiplexers."""
    return [Subject(f"bight, {reactor}", BIGHT, program, arguments or ("{port}",), reactor=reactor)
            for reactor in ("epoll", "io_uring")]


RAW_EPOLL = Subject("bare epoll", RAW, "raw_epoll")
RAW_URING = Subject("bare io_uring", RAW, "raw_uring", package="liburing-dev")
BIGHT_ECHO = bight("echo_server")
ASIO_COROUTINES = Subject("Asio coroutines, epoll", PEER, "asio_echo", package="libasio-dev")
ASIO_CALLBACKS = Subject("Asio callbacks, epoll", PEER, "asio_callbacks", package="libasio-dev")
LIBUV = Subject("libuv", PEER, "uv_echo", package="libuv1-dev")
LIBEVENT = Subject("libevent", PEER, "event_echo", package="libevent-dev")
ASIO_ON_URING = [
    Subject("Asio coroutines, io_uring", PEER, "asio_echo_uring", package="libasio-dev, liburing-dev"),
    Subject("Asio callbacks, io_uring", PEER, "asio_callbacks_uring", package="libasio-dev, liburing-dev"),
]

ECHO_ON_EPOLL = [RAW_EPOLL, BIGHT_ECHO[0], ASIO_COROUTINES, ASIO_CALLBACKS, LIBUV, LIBEVENT]
ECHO = [RAW_EPOLL, RAW_URING, *BIGHT_ECHO, ASIO_COROUTINES, ASIO_CALLBACKS, *ASIO_ON_URING, LIBUV, LIBEVENT]
RAW_ECHO = [RAW_EPOLL.name, RAW_URING.name]
