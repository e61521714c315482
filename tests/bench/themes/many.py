"""Tens of thousands of quiet connections: a script of its own, which writes a page of its own."""
import re
import sys
import tempfile

from measuring.processes import last_line, process
from measuring.setting import ROOT, Failed
from report.model import Section

SCRIPT = ROOT / "tests" / "bench" / "many_connections" / "many_connections.py"
PAGE = "many_connections.md"
TEXT = f"""\
[Many connections]({PAGE}): 50,000 quiet clients with keep-alives, held for a minute, on io_uring and epoll; what each costs in memory and time, and what a million
would."""


def run(setting):
    for name in ("hold", "keepalive_server"):
        setting.program(name)
    setting.out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(SCRIPT), str(setting.build), "--report", str(setting.out / PAGE)]
    with tempfile.TemporaryFile() as log:
        with process(command + (["--short"] if setting.quick else []), log) as script:
            status = script.wait()
        log.seek(0)
        said = log.read().decode(errors="replace")
    print(said, flush=True)
    if status != 0:
        raise Failed(f"it ended with status {status}: {last_line(said)}")
    return Section("many", "Many connections", TEXT, notes=re.findall(r"^left out: .*", said, re.M) + [last_line(said)])
