"""Profiles that answer in tens of milliseconds, and ways to start and watch real processes."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.free_port import free_port

ROOT = Path(__file__).parents[2]
PYTHON = [sys.executable, "-m"]
LIMIT_S = 60
"""Nothing takes nearly as long; a test that hangs is to fail."""

_FIGURES = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
_PAY = f"""provider = "wechat-ai"
[overhead]
p50_ms = 240.0
p99_ms = 300.0
{_FIGURES}[session]
share = 0.5
lifetime_s = 900.0
{_FIGURES}[key]
fetch_ms = 1.0
rotation_days = 30.0
overlap_s = 3600.0
{_FIGURES}[fee]
rate = 0.006
minimum_minor = 10
currency = "CNY"
{_FIGURES}"""
_MODEL = f"""provider = "openai"
[latency]
ttft_p50_ms = 110.0
ttft_p99_ms = 150.0
tokens_per_s = 5000.0
{_FIGURES}"""


def fast_profiles(folder: Path) -> dict[str, str]:
    """The options that name them: a turn takes about half a second."""
    pay, model = folder / "pay.toml", folder / "model.toml"
    pay.write_text(_PAY)
    model.write_text(_MODEL)
    return {"pay": str(pay), "intent": str(model), "confirm": str(model)}


SHIPPED, DOUBLES = "scenarios/locustfile.py", "tests/locust/doubles/locustfile.py"


def locust(options: dict[str, str], *more: str, file: str = SHIPPED) -> list[str]:
    """The command, as a user would write it at the repository's root. With the file of DOUBLES it
    conducts none of our real processes."""
    port = str(free_port())
    return [
        str(Path(sys.executable).with_name("locust")),
        *("-f", file, "--headless"),
        *("--master-port", port, "--master-bind-port", port),
        *(part for name, value in options.items() for part in (f"--{name}", value)),
        *more,
    ]


def worker_of(master: list[str]) -> list[str]:
    """A worker that joins it, as it would be started on another machine."""
    port = master[master.index("--master-port") + 1]
    return [*master[:3], "--worker", "--master-port", port]


def ran(*commands: list[str]) -> list[subprocess.CompletedProcess[str]]:
    """Run side by side to their ends."""
    pipe = subprocess.PIPE
    begun = [
        subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True)
        for command in commands
    ]
    told = [process.communicate(timeout=LIMIT_S) for process in begun]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *texts)
        for process, texts in zip(begun, told, strict=True)
    ]


@contextlib.contextmanager
def begun(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command, and nothing of it once this is left."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            for pid in [process.pid, *descendants(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def until(process: subprocess.Popen[str], printed: bytes) -> None:
    """Until it has printed this, and then all of its table: Locust 2.47 may lose a SIGINT that
    comes while it prints one."""
    assert process.stderr is not None
    seen, pipe = b"", process.stderr.fileno()
    while printed not in seen or select.select([pipe], [], [], 0.2)[0]:
        more = os.read(pipe, 65536)
        assert more, f"it ended early: {seen.decode()}"
        seen += more


def descendants(pid: int) -> list[int]:
    """All processes below this one."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found += [child, *descendants(child)]
    return found


def watch(pids: Iterable[int]) -> list[int]:
    """A descriptor for each, so that none can be mistaken for a later process of its number."""
    return [os.pidfd_open(pid) for pid in pids]


def all_end(watched: Iterable[int]) -> bool:
    """Wait until they have all ended; False when one outlives the limit."""
    ended = True
    for descriptor in watched:
        ended = bool(select.select([descriptor], [], [], LIMIT_S / 2)[0]) and ended
        os.close(descriptor)
    return ended
