"""Whether somebody listens at a port, without connecting to it, which a relay would notice: sock_diag(7) says so. (/proc/net/tcp
would too, and has a line for each of the hundred thousand connections that have just been closed.)"""
import os
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
TCP_LISTEN = 10
HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
REQUEST = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states; then inet_diag_sockid
SOCKID_SIZE = 48


def request(port):
    body = REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 1 << TCP_LISTEN) + struct.pack("!H", port).ljust(SOCKID_SIZE, b"\0")
    return HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0) + body


def answers(netlink):
    """(type, body) of each part of the answer, its end included."""
    while True:
        data = netlink.recv(65536)
        while data:
            length, kind = HEADER.unpack_from(data)[:2]
            yield kind, data[HEADER.size:length]
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                return
            data = data[(length + 3) & ~3:]


def listens(port):
    found = False
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.send(request(port))
        for kind, body in answers(netlink):
            if kind == NLMSG_ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise OSError(number, f"sock_diag: {os.strerror(number)}")
            found = found or kind == SOCK_DIAG_BY_FAMILY
    return found


def is_bound(port):
    """Whether a socket of datagrams is bound to the port, at whatever address: of those there are few."""
    with open("/proc/net/udp", encoding="ascii") as table:
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.readlines()[1:])
