"""What cannot be played in a turn ends the run with one line that has the mend."""

import asyncio
import contextlib
import gc
import socket
import time
import warnings
from collections.abc import Awaitable, Callable

import httpx
import pytest

from harness.flow.own import OwnTurn
from harness.flow.routing import BadFlow
from tests.flow.own_turns import OPENAI, ask, play


async def _nowhere(turn: OwnTurn) -> None:
    async with httpx.AsyncClient() as client:
        await client.get("https://elsewhere.test/")


async def _no_scheme(turn: OwnTurn) -> None:
    async with httpx.AsyncClient() as client:
        await client.get("api.openai.com/v1")


async def _no_mock(turn: OwnTurn) -> None:
    turn.endpoint("paypal")


async def _synchronous(turn: OwnTurn) -> None:
    httpx.post(OPENAI)


async def _synchronous_in_a_thread(turn: OwnTurn) -> None:
    await asyncio.to_thread(httpx.post, OPENAI)


async def _another_library(turn: OwnTurn) -> None:
    socket.create_connection(("api.stripe.com", 443))


async def _sleep(turn: OwnTurn) -> None:
    time.sleep(0.001)


async def _aiohttp(turn: OwnTurn) -> None:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        await session.get(OPENAI)


async def _a_loop_in_a_thread(turn: OwnTurn) -> None:
    await asyncio.to_thread(lambda: asyncio.run(ask()))


async def _a_loop_that_was_made_in_a_thread(turn: OwnTurn) -> None:
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        await asyncio.to_thread(lambda: loop.run_until_complete(ask()))


async def _the_same_loop_in_a_thread(turn: OwnTurn) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(lambda: loop.run_until_complete(ask()))


async def _a_loop_of_anyio_in_a_thread(turn: OwnTurn) -> None:
    import anyio

    await asyncio.to_thread(lambda: anyio.run(ask))


@pytest.mark.parametrize(
    "function",
    [
        _a_loop_in_a_thread,
        _a_loop_that_was_made_in_a_thread,
        _the_same_loop_in_a_thread,
        _a_loop_of_anyio_in_a_thread,
    ],
)
def test_a_loop_in_a_thread_is_told_with_the_mend_and_leaves_no_warning(
    function: Callable[[OwnTurn], Awaitable[None]],
) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(BadFlow, match="in real time: await what it runs instead"):
            play(function)
        gc.collect()
    assert [str(one.message) for one in told] == []


async def _cancelled() -> None:
    task = asyncio.create_task(ask())
    await asyncio.sleep(0.5)
    task.cancel()
    await task


def test_a_function_that_its_own_task_cancels_is_no_turn_that_was_cut_off() -> None:
    with pytest.raises(BadFlow, match="it awaits a task that it has cancelled itself"):
        play(_cancelled)


KEPT = asyncio.Semaphore(1)
QUEUE: asyncio.Queue[int] = asyncio.Queue()


async def _with_a_lock() -> None:
    async with KEPT:
        await ask()


async def _with_a_queue() -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            await QUEUE.get()


@pytest.mark.parametrize(
    ("function", "thing"), [(_with_a_lock, "Semaphore"), (_with_a_queue, "Queue")]
)
def test_what_is_kept_from_round_to_round_is_told_with_the_mend(
    function: Callable[[], Awaitable[None]], thing: str
) -> None:
    play(function, turns=4)
    with pytest.raises(BadFlow, match=f"an asyncio.{thing} is kept .*: make it in the function"):
        play(function, turns=4, round_=1)


@pytest.mark.parametrize(
    ("function", "mend"),
    [
        (_nowhere, "a call goes to elsewhere.test, and there is no mock of it"),
        (_no_scheme, "which is no address: begin it with https://"),
        (_no_mock, "there is no mock of 'paypal': take one of openai, gemini, stripe"),
        (_synchronous, "take httpx.AsyncClient, or the SDK's async client"),
        (_synchronous_in_a_thread, "take httpx.AsyncClient, or the SDK's async client"),
        (_another_library, "opens a connection to 'api.stripe.com' by itself"),
        (_sleep, "await asyncio.sleep instead"),
        (_aiohttp, "a call goes over aiohttp, which cannot be rerouted"),
    ],
)
@pytest.mark.parametrize("handled", [False, True], ids=["raised", "swallowed"])
def test_what_cannot_be_played_ends_the_run_even_where_the_function_goes_on(
    function: Callable[[OwnTurn], Awaitable[None]], mend: str, handled: bool
) -> None:
    import aiohttp  # noqa: F401  # known before it is rerouted

    async def cautious(turn: OwnTurn) -> str:
        try:
            await function(turn)
        except Exception as error:
            if not handled:
                raise RuntimeError("as an SDK wraps it") from error
        return "paid"

    with pytest.raises(BadFlow, match=mend):
        play(cautious)
