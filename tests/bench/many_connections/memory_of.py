"""Memory and CPU time, as the kernel tells them: of processes, and its own for sockets."""
from pathlib import Path

PAGE = 4096
# What a connection has in the kernel. Of dentries, which every file of the machine has too, each descriptor has one.
OF_SOCKETS = ("TCP", "TCPv6", "sock_inode_cache", "filp", "lsm_file_cache", "lsm_inode_cache", "eventpoll_epi",
              "eventpoll_pwq", "ep_head", "io_kiocb", "request_sock_TCP", "tcp_bind_bucket", "tcp_bind2_bucket",
              "nf_conntrack", "skbuff_head_cache", "skbuff_small_head", "skbuff_fclone_cache")
DENTRY = "dentry"


def process_bytes(pids):
    """What the processes have of their own (the proportional share of anonymous memory), and what is resident."""
    own = resident = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Pss_Anon":
                own += int(rest.split()[0]) * 1024
            elif name == "Rss":
                resident += int(rest.split()[0]) * 1024
    return own, resident


def table_bytes(pids):
    """The page tables of the processes."""
    lines = (line for pid in pids for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmPTE:"))


def cpu_seconds(pids):
    """CPU time, of all threads."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            total += int((thread / "schedstat").read_text().split()[0])
    return total / 1e9


def slab_bytes():
    """{cache: bytes} of the caches of sockets; empty where only root may see them."""
    try:
        lines = Path("/proc/slabinfo").read_text().splitlines()[2:]
    except OSError:
        return {}
    sizes = {}
    for line in lines:
        words = line.split()
        if words[0] in OF_SOCKETS or words[0].startswith("kmalloc-"):
            pages_of_a_slab, slabs = int(words[5]), int(words[-2])
            sizes[words[0]] = slabs * pages_of_a_slab * PAGE
    return sizes


def dentry_bytes():
    for line in Path("/proc/slabinfo").read_text().splitlines():
        words = line.split()
        if words[0] == DENTRY:
            return int(words[3])
    return 0


def buffer_bytes():
    """What TCP has in its buffers."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        words = line.split()
        if words[0] == "TCP:":
            return int(words[words.index("mem") + 1]) * PAGE
    return 0
