"""The neutral server as a process beside the generators; a fresh one for every measurement."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import msgspec

from tests.benchmarks.peers.processes import PATIENCE_S, SERVER, started
from tests.benchmarks.peers.sample import NoFigures
from tests.benchmarks.peers.server import Lateness
from tests.benchmarks.peers.tools import ROOT


class Neutral:
    """A running one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self._process = process
        port = process.stdout.readline().strip()
        if not port:
            raise NoFigures("the neutral server did not start")
        self.url = f"http://127.0.0.1:{port}/"

    def end(self) -> Lateness:
        """End it, and hear how late it was."""
        try:
            out, _ = self._process.communicate(timeout=PATIENCE_S)
            return msgspec.json.decode(out, type=Lateness)
        except (subprocess.TimeoutExpired, msgspec.DecodeError):
            raise NoFigures("the neutral server did not tell how late it was") from None


@contextlib.contextmanager
def neutral(*kind: str) -> Iterator[Neutral]:
    command = [sys.executable, "-m", "tests.benchmarks.peers.server", *kind]
    with started(command, SERVER, ROOT) as process:
        yield Neutral(process)
