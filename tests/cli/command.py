"""`tollbench` run as a user runs it, in a folder of its own; it asserts nothing."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import record
from harness.record import Rows, RunSummary

COMMAND = (sys.executable, "-P", "-m", "harness.cli")
"""As the installed command, with -P: the folder it runs in is no place to import from."""

SMALL = ("--flows", "24", "--rounds", "4")


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended, and the folder that it ran in."""

    code: int
    out: str
    err: str
    cwd: Path

    @property
    def latest(self) -> Path:
        return self.cwd / "results" / "latest"

    @property
    def stored(self) -> tuple[RunSummary, Rows]:
        summary, columns, _ = record.read(self.latest)
        return summary, record.rows_of(columns)

    @property
    def problems(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80", "TERM": "xterm", **more}


def tollbench(*args: str, cwd: Path, report: bool = False, **more: str) -> Done:
    """Run it to its end; keyword arguments are environment variables. A run draws nothing unless
    its report is wanted: that takes longer than a small run."""
    bare = args[:1] in (("compare",), ("sweep",)) and not report and "--help" not in args
    done = subprocess.run(
        [*COMMAND, *args, *(["--no-report"] if bare else [])],
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Done(done.returncode, done.stdout, done.stderr, cwd)


def hear_interrupts() -> None:
    """For a child: a shell starts what runs in its background with Ctrl-C switched off."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
