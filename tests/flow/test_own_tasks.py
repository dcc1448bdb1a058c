"""Tasks that a user's function begins: what they still do when it has ended, or is cut off."""

import asyncio

import pytest

from harness.flow.own import OwnTurn
from tests.flow.own_turns import STRIPE, ask, play


def test_what_the_function_leaves_running_is_recorded_and_nobody_waits_for_it() -> None:
    async def leave(turn: OwnTurn) -> None:
        async def receipt() -> None:
            with turn.stage("receipt"):
                await ask(takes=2.0)
                await ask(takes=2.0)

        with turn.stage("pay"):
            await ask(STRIPE)
        left.append(asyncio.create_task(receipt()))

    left: list[asyncio.Task[None]] = []
    seen = play(leave)
    assert seen.stages() == [("pay", 0.0, 1.0), ("receipt", 1.0, 3.0), ("receipt", 3.0, 5.0)]
    assert seen.flow.response_ms == 1000.0
    assert [of.critical for of in seen.spans] == [True, False, False]


def test_a_task_that_never_ends_is_ended_after_the_patience_of_a_call() -> None:
    ended: list[float] = []

    async def beat(turn: OwnTurn) -> None:
        try:
            while True:
                await asyncio.sleep(1.0)
        finally:
            ended.append(turn.now())

    async def leave(turn: OwnTurn) -> None:
        left.append(asyncio.create_task(beat(turn)))
        await ask()
        ended.append(turn.now())

    left: list[asyncio.Task[None]] = []
    seen = play(leave)
    assert seen.flow.response_ms == 1000.0
    assert ended[1] - ended[0] == pytest.approx(30.0, abs=1e-6)


def test_a_turn_that_is_cut_off_is_recorded_with_all_its_calls_up_to_then() -> None:
    async def background() -> None:
        await ask(STRIPE, takes=5.0)

    async def slow(turn: OwnTurn) -> None:
        left.append(asyncio.create_task(background()))
        with turn.stage("intent"):
            await ask(takes=9.0)

    left: list[asyncio.Task[None]] = []
    seen = play(slow, drain_s=2.0)
    assert (seen.flow.outcome, seen.tally.running, seen.tally.failed) == ("running", 1, 0)
    assert seen.stages() == [("intent", 0.0, 2.0), ("stripe", 0.0, 2.0)]
    assert [(of.status, of.injected_ms > 0) for of in seen.spans] == [(0, False)] * 2
    assert seen.tally.causes == {}


def test_a_bug_cuts_off_what_else_the_turn_does() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await ask(STRIPE, takes=5.0)
        finally:
            ended.append("background")

    async def buggy() -> None:
        left.append(asyncio.create_task(background()))
        await ask(takes=1.0)
        raise KeyError("lost")

    left: list[asyncio.Task[None]] = []
    with pytest.raises(KeyError):
        play(buggy)
    assert ended == ["background"]


async def _broken(takes: float) -> None:
    await asyncio.sleep(takes)
    raise KeyError("lost")


def test_a_bug_in_a_task_that_ends_before_the_function_does_ends_the_run() -> None:
    async def leave() -> None:
        left.append(asyncio.create_task(_broken(0.5)))
        await ask()

    left: list[asyncio.Task[None]] = []
    with pytest.raises(KeyError, match="lost"):
        play(leave)


def test_what_somebody_has_taken_or_a_provider_is_to_blame_for_is_no_bug() -> None:
    async def faulty() -> None:
        (await ask(status=503, takes=0.1)).raise_for_status()

    async def handle() -> None:
        left.append(asyncio.create_task(faulty()))
        with pytest.raises(KeyError):
            await asyncio.create_task(_broken(0.5))
        (told,) = await asyncio.gather(_broken(0.5), return_exceptions=True)
        assert isinstance(told, KeyError)
        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(_broken(0.5))

    left: list[asyncio.Task[None]] = []
    seen = play(handle)
    assert (seen.flow.outcome, seen.flow.response_ms) == ("ok", 1500.0)


def test_a_bug_in_a_task_that_is_left_running_ends_the_run() -> None:
    async def late() -> None:
        await asyncio.sleep(1.0)
        raise KeyError("lost")

    async def leave() -> None:
        left.append(asyncio.create_task(late()))

    left: list[asyncio.Task[None]] = []
    with pytest.raises(KeyError, match="lost"):
        play(leave)
