"""An agent that runs as `tollbench agent`, on mocks that answer fast; it tests nothing."""

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.cli.command import COMMAND, environment, hear_interrupts
from tests.locust.processes import fast_profiles

PATIENCE_S = 30.0


@dataclass
class Serving:
    """An agent that runs, the mocks behind it, and what it said at its end."""

    process: subprocess.Popen[str]
    told: dict[str, str]
    client: httpx.Client
    err: str = ""

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        _, self.err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode


@contextlib.contextmanager
def serving(folder: Path, *more: str) -> Iterator[Serving]:
    fast = [part for name, of in fast_profiles(folder).items() for part in (f"--{name}", of)]
    command = [*COMMAND, "agent", "--port", "0", "--mocks-port", "0", "--json", *fast, *more]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    ) as process:
        try:
            assert process.stdout and process.stderr
            line = process.stdout.readline()
            assert line, process.stderr.read()
            with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
                yield Serving(process, json.loads(line), client)
        finally:
            process.kill()
