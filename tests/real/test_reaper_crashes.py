"""A run that kill -9 ends, and a reaping that it ends: wherever that is, the next reaping ends the
order, and gives back what was paid once."""

import itertools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.real.journal import read_journal
from tests.real.reaped import Deadly, Killed, Room, pay, story
from tests.real.test_payers import PAYERS

pytestmark = pytest.mark.usefixtures("unsynced")

PHASES = ("before a request", "before its answer", "within a line of the journal")
each_closer = [
    pytest.param(name, marks=[pytest.mark.thorough] if name == "alipay-ai" else [])
    for name in PAYERS
]
"""Alipay's two versions are ended by one."""
Act = Callable[[Room], Awaitable[object]]


async def died(room: Room, act: Act, phase: str, number: int, patch: pytest.MonkeyPatch) -> bool:
    """Whether the process that does it has come to that request or line, where it ends."""
    room.inner = deadly = Deadly(room.hosts, number, arrives=phase == PHASES[1])
    write, lines = os.write, itertools.count(1)

    def torn(fd: int, line: bytes) -> int:
        if next(lines) < number:
            return write(fd, line)
        write(fd, line[: len(line) // 2])
        raise Killed

    with patch.context() as patched:
        if phase == PHASES[2]:
            room.inner = room.hosts
            patched.setattr(os, "write", torn)
        try:
            await act(room)
        except Killed:
            pass
        except BaseExceptionGroup as group:
            assert group.split(Killed)[1] is None
    room.inner = room.hosts
    return (next(lines) > number) if phase == PHASES[2] else deadly.sent >= number


async def order(room: Room) -> None:
    await room.order(room.inner)


async def check_ended(room: Room) -> None:
    left = await room.reap()
    if left and room.provider == "unionpay":
        await room.clock.sleep_until(room.clock.now() + 901.0)
        left = await room.reap()
    assert left == []
    known = {of.order_no: of for of in read_journal(room.path)}
    assert {of.state for of in known.values()} <= {"closed"}
    assert len(room.hosts.books) <= len(known) <= 1
    assert [of.state for of in room.hosts.books if of.state in ("open", "paid")] == []


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("provider", each_closer)
def test_wherever_a_run_is_killed_its_order_is_ended(
    provider: str, phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(folder: Path, number: int) -> bool:
        folder.mkdir()
        room = Room(folder, provider)
        killed = await died(room, order, phase, number, monkeypatch)
        await check_ended(room)
        return killed

    for number in itertools.count(1):
        if not story(main(tmp_path / str(number), number)):
            break
    assert number > 1


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("provider", each_closer)
def test_wherever_a_reaping_is_killed_the_next_gives_back_once(
    provider: str, phase: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(folder: Path, number: int) -> bool:
        folder.mkdir()
        room = Room(folder, provider)
        await pay(room)
        killed = await died(room, Room.reap, phase, number, monkeypatch)
        await check_ended(room)
        assert [len(of.refunds) for of in room.hosts.books if of.state != "voided"] in ([], [1])
        return killed

    for number in itertools.count(1):
        if not story(main(tmp_path / str(number), number)):
            break
    assert number > 1
