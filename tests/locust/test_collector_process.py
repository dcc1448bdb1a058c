"""The collector as a child: what it says on its pipes, and what is left when it is killed."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.cli.asked import Asked
from harness.cli.collector import Opening
from harness.cli.exits import BadInput
from harness.cli.stored import open_run
from harness.load.pipe import PREFIX, FromCollector, Look, Opened, Planned, framed
from tests.locust.heard import Engine, turn
from tests.locust.processes import LIMIT_S, PYTHON, ROOT

pytestmark = pytest.mark.socket

COLLECTOR = [*PYTHON, "harness.cli.collector"]


@contextlib.contextmanager
def _begun(opening: Opening) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    command = subprocess.Popen(COLLECTOR, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT)
    with command as process:
        try:
            _tell(process, opening)
            yield process
        finally:
            process.kill()


def _tell(process: subprocess.Popen[bytes], *frames: msgspec.Struct) -> None:
    assert process.stdin is not None
    process.stdin.write(b"".join(framed(msgspec.msgpack.encode(frame)) for frame in frames))
    process.stdin.flush()


def _answer(process: subprocess.Popen[bytes]) -> FromCollector:
    assert process.stdout is not None
    length = int.from_bytes(process.stdout.read(PREFIX), "little")
    answer: FromCollector = msgspec.msgpack.decode(process.stdout.read(length), type=FromCollector)
    return answer


def test_a_collector_that_is_killed_has_lost_no_turn(tmp_path: Path) -> None:
    engine = Engine("w1")
    engine.begins(3)
    with _begun(Opening(asked=Asked(out=str(tmp_path)), argv=[], workers=["w1"])) as process:
        opened = _answer(process)
        assert isinstance(opened, Opened)
        turns = [turn(0, 0.1, 500.0), turn(1, 0.2, 500.0)]
        _tell(process, Planned(0.0, 3.0, ["w1"]), engine.part(1.0, turns))
        assert isinstance(_answer(process), Look)
        process.kill()
    with pytest.raises(BadInput, match="2 turns are kept in "):
        open_run(Path(opened.folder))


def test_options_that_cannot_be_used_are_told_a_line_each(tmp_path: Path) -> None:
    asked = Asked(out=str(tmp_path), seed="x", strategy="nonsense")
    with _begun(Opening(asked=asked, argv=[], workers=[])) as process:
        out, err = process.communicate(timeout=LIMIT_S)
    lines = err.decode().splitlines()
    assert (process.returncode, out, len(lines)) == (2, b"", 2)
    assert all(line.startswith("tollbench: ") for line in lines)
