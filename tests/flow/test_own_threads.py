"""Code that goes to threads is played at once, in no virtual time, or refused as what it is."""

import asyncio
import concurrent.futures
import contextvars
import threading
from typing import Any

import httpx
import pytest

from harness.flow.own import OwnTurn
from harness.virtual_loop import Deadlock
from tests.flow.own_turns import ask, play

to_thread: Any = pytest.importorskip("anyio.to_thread")

NAME: contextvars.ContextVar[str] = contextvars.ContextVar("name", default="nobody")


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """As Starlette serves an endpoint that is no async function."""
    NAME.set("ours")
    status, body = await to_thread.run_sync(lambda: (201, NAME.get().encode()))
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})


def test_a_server_of_the_user_s_own_with_threads_is_played_in_exact_times() -> None:
    async def order(turn: OwnTurn) -> None:
        with turn.stage("shop"):
            async with httpx.AsyncClient() as client:
                answer = await client.get("https://shop.test/")
                assert (answer.status_code, answer.content) == (201, b"ours")
        for _ in range(4):
            await ask(takes=0.25)

    shop = {"shop.test": httpx.ASGITransport(_app)}
    took = {of.response_ms for of in play(order, turns=6, others=shop).flows}
    assert took == {1000.0}


def test_what_it_raises_there_is_raised() -> None:
    async def divide() -> None:
        await to_thread.run_sync(divmod, 1, 0, abandon_on_cancel=True)

    with pytest.raises(ZeroDivisionError):
        play(divide)


async def _a_thread_of_its_own() -> None:
    loop, come = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        with pytest.raises(Deadlock):
            loop.call_soon_threadsafe(come.set)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    await asyncio.wait([asyncio.create_task(come.wait()), asyncio.create_task(ask())])


async def _a_thread_that_is_done() -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(sum, (1, 2))
        concurrent.futures.wait([future])
    await asyncio.wrap_future(future)  # It is there already: no thread has to wake anybody.


def test_a_thread_that_wakes_the_loop_ends_the_run() -> None:
    with pytest.raises(Deadlock, match="a thread wakes the virtual clock"):
        play(_a_thread_of_its_own, turns=3)


def test_what_a_thread_has_done_already_may_be_taken() -> None:
    assert play(_a_thread_that_is_done).flow.response_ms == 0.0
