"""A side's process that hangs, leaves others behind, or says nothing: never waited for for ever."""

import sys
from pathlib import Path

import msgspec
import pytest

from harness.cli import gate_process
from harness.cli.course import Crashed
from harness.cli.gate_lines import Alive, Begin, Loaded, Played, Ready, Serve, Side
from harness.cli.gate_process import SideDied, SideProcess
from harness.cli.gate_trees import Tree
from tests.cli.gate_doubles import ask, double, loaded
from tests.cli.processes import PROC, running, until

pytestmark = pytest.mark.socket

LOADED = msgspec.json.encode(loaded()).decode()
LEAVES = """#!{python} -SE
import subprocess, sys
sys.stdin.readline()
print({loaded!r}, flush=True)
more = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout={stdout})
open("left", "w").write(str(more.pid))
sys.stdin.readline()
sys.exit(7)
"""

UNSERVED = """from __future__ import annotations
import asyncio, time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unserved:
    turns: int = 1
    usual_method: str = "balance"

    async def run(self, chat, agent) -> None:
        async with chat.turn() as flow:
            flow.outcome = "ok"
            BODY
"""
BODIES = {
    "hangs": "if chat.conversation == 1: await asyncio.Event().wait()",
    "never": "await asyncio.Event().wait()",
    "holds": "time.sleep(600)",
}


def _leaving(folder: Path, stdout: str) -> Tree:
    """A process that begins another, which holds its output open or not, and dies."""
    script = folder / "leaves.py"
    script.write_text(LEAVES.format(python=sys.executable, loaded=LOADED, stdout=stdout))
    script.chmod(0o755)
    return Tree("head", folder, str(script))


@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("stdout", ["None", "subprocess.DEVNULL"])
def test_what_a_flow_began_ends_with_its_side_and_is_not_waited_for(
    tmp_path: Path, stdout: str
) -> None:
    process = SideProcess(_leaving(tmp_path, stdout), ask())
    try:
        process.answer(Loaded)
        process.tell(Serve("", ""))
        with pytest.raises(SideDied, match="its process ended: exit code 7"):
            process.answer(Ready)
    finally:
        process.end()
    left = int((tmp_path / "left").read_text())
    start = _start(left)
    until(lambda: not running((left, start)))


def _start(pid: int) -> int:
    """Of that process, 0 where it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])


def test_a_side_of_which_nothing_is_heard_is_given_up_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_process, "SILENCE_S", 0.05)
    # It answers with a line that says only that it lives, and then with none.
    process = SideProcess(double(tmp_path, "head", loaded(), Alive()), ask())
    try:
        process.answer(Loaded)
        process.tell(Serve("", ""))
        with pytest.raises(SideDied, match=r"^head: nothing was heard of it for 0\.05 s"):
            process.answer(Played)
    finally:
        process.end()


def _side(folder: Path, body: str, side: Side = "head") -> SideProcess:
    """Whose turns make no call, so that nothing has to serve them."""
    (folder / "flows.py").write_text(UNSERVED.replace("BODY", BODIES[body]))
    asked = ask(side, flow="flows.py", turns=4, rate="200", pay="stripe", drain_s=0.2)
    return SideProcess(Tree(side, folder, sys.executable), asked)


def test_a_turn_that_never_returns_is_cut_off_and_counted_as_running(tmp_path: Path) -> None:
    process = _side(tmp_path, "hangs")
    try:
        process.answer(Loaded)
        process.tell(Serve("http://127.0.0.1:9", str(tmp_path / "spool")))
        ready = process.answer(Ready)
        process.tell(Begin(ready.now_s))
        last = process.answer(Played)
    finally:
        process.end()
    assert (last.due, last.started, last.finished, last.running, last.bug) == (4, 4, 3, 1, "")
    assert not last.own_code


@pytest.mark.thorough
def test_a_first_turn_that_never_returns_ends_the_gate_with_its_side(
    tmp_path: Path,
) -> None:
    process = _side(tmp_path, "never", "base")
    try:
        process.answer(Loaded)
        process.tell(Serve("http://127.0.0.1:9", str(tmp_path / "spool")))
        with pytest.raises(Crashed) as crashed:
            process.answer(Ready)
    finally:
        process.end()
    assert crashed.value.crash.reason == (
        "base: its first turn, which is in no figure, has not ended within 0.2 s"
    )


@pytest.mark.thorough
def test_a_turn_that_holds_up_the_loop_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = _side(tmp_path, "holds")
    try:
        process.answer(Loaded)
        process.tell(Serve("http://127.0.0.1:9", str(tmp_path / "spool")))
        monkeypatch.setattr(gate_process, "SILENCE_S", 1.0)
        monkeypatch.setattr(gate_process, "PATIENCE_S", 0.1)
        with pytest.raises(SideDied, match="head: nothing was heard of it"):
            process.answer(Ready)
    finally:
        assert process.end() is None
