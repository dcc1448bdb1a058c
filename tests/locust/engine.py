"""An engine in a process of its own, spoken to by frames, and mocks for it; it asserts nothing."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.cli.asked import Asked, setup_of
from harness.cli.engine import Begin
from harness.load.pipe import PREFIX, FromEngine, Order, Part, framed
from harness.record import FlowRow, SpanRow, turns_in
from tests.locust.processes import LIMIT_S, PYTHON, ROOT

_decode = msgspec.msgpack.Decoder(FromEngine).decode


class Engine:
    """One that runs, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.told: list[FromEngine] = []
        self.err = ""

    @property
    def parts(self) -> list[Part]:
        return [told for told in self.told if isinstance(told, Part)]

    @property
    def turns(self) -> list[tuple[FlowRow, list[SpanRow]]]:
        return [turn for part in self.parts for turn in turns_in(part.records)]

    def tell(self, order: Begin | Order) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(framed(msgspec.msgpack.encode(order)))
        self.process.stdin.flush()

    def hear(self) -> FromEngine | None:
        """The next that it says; None where it says nothing any more."""
        assert self.process.stdout is not None
        length = self.process.stdout.read(PREFIX)
        if len(length) < PREFIX:
            return None
        told: FromEngine = _decode(self.process.stdout.read(int.from_bytes(length, "little")))
        self.told.append(told)
        return told

    def hear_turns(self, many: int = 1) -> None:
        """Until it has told so many turns, or ended."""
        while len(self.turns) < many and self.hear() is not None:
            pass

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def hear_no_more(self) -> None:
        """As a conductor does that dies after its last order."""
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process.stdout = None

    def ended(self) -> int:
        """Its exit code, when all that it said is heard."""
        while self.process.stdout is not None and self.hear() is not None:
            pass
        _, err = self.process.communicate(timeout=LIMIT_S)
        self.err = err.decode()
        return self.process.returncode


@contextlib.contextmanager
def engine(folder: Path) -> Iterator[Engine]:
    """It keeps what is temporary in that folder."""
    with _process([*PYTHON, "harness.cli.engine"], folder) as process:
        yield Engine(process)


@contextlib.contextmanager
def mocks_for(asked: Asked, folder: Path) -> Iterator[str]:
    """The base URL of the mocks that these options need."""
    with _process([*PYTHON, "mocks.server"], folder) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(msgspec.json.encode(setup_of(asked).mocks) + b"\n")
        process.stdin.flush()
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


def begin(asked: Asked, base_url: str, *, index: int = 0) -> Begin:
    return Begin(asked=asked, base_url=base_url, run_id="a-run", worker=f"w{index}", index=index)


@contextlib.contextmanager
def _process(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()
