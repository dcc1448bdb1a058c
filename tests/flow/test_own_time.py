"""What the clocks of Python's `time` tell: in a turn its own time, elsewhere the machine's."""

import asyncio
import time

import pytest

from harness.clock import VIRTUAL_DAY_S
from harness.flow import own_time
from harness.flow.own import OwnTurn
from harness.flow.own_function import OwnFlow
from harness.flow.rerouted import rerouted
from harness.flow.routing import BadFlow
from tests.flow.own_turns import ask, play

CLOCKS = ("monotonic", "perf_counter", "time")
BEFORE = {name: getattr(time, name) for one in CLOCKS for name in (one, f"{one}_ns")}


@pytest.mark.parametrize("name", CLOCKS)
def test_in_a_turn_what_has_gone_by_is_virtual(name: str) -> None:
    told: list[tuple[float, int]] = []

    async def buy() -> None:
        for takes in (1.5, 86_400.0):
            since, since_ns = getattr(time, name)(), getattr(time, f"{name}_ns")()
            if takes < 60.0:
                answer = await ask(takes=takes)
                assert answer.elapsed.total_seconds() == pytest.approx(takes, abs=1e-6)
            else:
                await asyncio.sleep(takes)
            spent_ns = getattr(time, f"{name}_ns")() - since_ns
            told.append((getattr(time, name)() - since, spent_ns))

    play(buy)
    # Each read takes a step of its own.
    assert [spent for spent, _ in told] == pytest.approx([1.5, 86_400.0], rel=0, abs=1e-5)
    assert [spent for _, spent in told] == pytest.approx([1.5e9, 86_400e9], rel=0, abs=1e4)


def test_the_day_is_the_same_in_every_run_and_goes_on_as_the_mocks_have_it() -> None:
    told: list[tuple[float, int]] = []

    async def look(turn: OwnTurn) -> None:
        told.append((time.time() - turn.now(), time.time_ns()))

    for _ in range(2):
        play(look, turns=3)
    assert {round(origin, 5) for origin, _ in told} == {VIRTUAL_DAY_S}
    assert told[:3] == told[3:]


@pytest.mark.parametrize("name", CLOCKS)
def test_a_deadline_that_is_slept_up_to_has_come_in_every_turn(name: str) -> None:
    async def poll() -> None:
        deadline = getattr(time, name)() + 0.3
        while getattr(time, name)() < deadline:
            await asyncio.sleep(0.05)

    assert {of.response_ms for of in play(poll, turns=200).flows} == {300.0}


def test_no_clock_tells_the_same_time_twice_nor_goes_backwards() -> None:
    seen: list[tuple[float, int]] = []

    async def look() -> None:
        for _ in range(50):
            seen.append((time.perf_counter(), time.time_ns()))
        await asyncio.gather(*(asyncio.sleep(0.0) for _ in range(3)))

    play(look, turns=4)
    for one in zip(*seen, strict=True):
        assert list(one) == sorted(set(one))


def test_a_task_and_a_thread_of_the_turn_read_its_clock() -> None:
    async def read() -> float:
        return time.monotonic()

    async def buy() -> None:
        since = time.monotonic()
        await asyncio.sleep(7.0)
        there = await asyncio.create_task(read()), await asyncio.to_thread(time.monotonic)
        assert [round(at - since, 6) for at in there] == [7.0, 7.0]

    assert play(buy).flow.outcome == "ok"


async def _spins() -> None:
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        pass


async def _yields() -> None:
    deadline = time.time() + 1.0
    while time.time() < deadline:
        await asyncio.sleep(0)


@pytest.mark.parametrize("wait", [_spins, _yields])
def test_who_waits_for_time_that_no_task_waits_for_is_told_so(
    wait: OwnFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_time, "_MOST_READS", 1000)
    with pytest.raises(BadFlow, match=r"no time went by: .*; await asyncio\.sleep"):
        play(wait)


def test_outside_a_turn_the_clocks_are_the_machine_s_and_afterwards_themselves() -> None:
    with rerouted(), rerouted():
        for name, before in BEFORE.items():
            ours = getattr(time, name)
            assert ours is not before
            assert before() <= ours() <= before()
    with pytest.raises(ZeroDivisionError):
        play(_fails)
    assert {name: getattr(time, name) for name in BEFORE} == BEFORE


async def _fails() -> None:
    raise ZeroDivisionError


def test_a_clock_that_somebody_has_stopped_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    async def look() -> None:
        await asyncio.sleep(1.0)
        seen.append(time.time())

    monkeypatch.setattr(time, "time", lambda: 7.0)
    play(look)
    assert seen == [7.0]


def test_a_clock_that_a_class_keeps_is_no_method_of_it() -> None:
    async def look() -> None:
        class Timed:
            now: object = time.monotonic

        assert Timed().now is Timed.now

    play(look)
