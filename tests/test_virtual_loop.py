"""What libraries do beside waiting: a thread costs no virtual time, a connection is refused."""

import asyncio
import contextvars
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.virtual_loop import Deadlock, VirtualLoop


def test_what_is_given_to_a_thread_runs_at_once_and_takes_no_time() -> None:
    async def main() -> tuple[int, bool, float]:
        clock = VirtualClock()
        await clock.sleep_until(5.0)
        here = threading.get_ident()
        there = await asyncio.to_thread(threading.get_ident)
        return await asyncio.to_thread(sum, (1, 2)), here == there, clock.now()

    assert run("virtual", main()) == (3, True, 5.0)


def test_it_sees_the_context_of_its_task_and_what_it_raises_is_raised() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    async def main() -> str:
        name.set("ours")
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        return await asyncio.to_thread(name.get)

    assert run("virtual", main()) == "ours"


def test_a_thread_that_wakes_it_ends_the_run_also_where_other_timers_are_left() -> None:
    told: list[BaseException] = []

    async def main() -> None:
        loop, come = asyncio.get_running_loop(), asyncio.Event()

        def work() -> None:
            try:
                loop.call_soon_threadsafe(come.set)
            except Deadlock as error:
                told.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()  # so that it comes while the loop has a timer, whatever the machine does
        await asyncio.sleep(1000.0)

    with pytest.raises(Deadlock, match="a thread wakes the virtual clock, which cannot know when"):
        run("virtual", main())
    assert len(told) == 1


def test_its_own_thread_may_wake_it_in_whatever_thread_it_runs() -> None:
    async def main() -> float:
        loop, come = asyncio.get_running_loop(), asyncio.Event()
        loop.call_later(2.0, loop.call_soon_threadsafe, come.set)
        await come.wait()
        return loop.time()

    loop = VirtualLoop()
    took: list[float] = []
    thread = threading.Thread(target=lambda: took.append(loop.run_until_complete(main())))
    thread.start()
    thread.join()
    loop.close()
    assert [round(s, 6) for s in (*took, run("virtual", main()))] == [2.0, 2.0]


def test_it_begins_where_it_is_told_and_keeps_its_nanoseconds() -> None:
    async def main() -> tuple[float, float]:
        since = asyncio.get_running_loop().time()
        await VirtualClock().sleep_until(since + 0.000_000_003)
        await asyncio.sleep(1.5)
        return since, round(VirtualClock().now() - since, 9)

    assert run("virtual", main()) == (0.0, 1.500000003)
    assert run("virtual", main(), start_ns=10**15) == (1e6, 1.500000003)


async def _by_name() -> None:
    await asyncio.open_connection("example.test", 443)


async def _by_address() -> None:
    await asyncio.open_connection("127.0.0.1", 9)


async def _by_httpx() -> None:
    async with httpx.AsyncClient() as client:
        await client.get("https://example.test/")


async def _a_socket() -> None:
    with socket.socket() as ours:
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_connect(ours, ("127.0.0.1", 9))


@pytest.mark.parametrize("connect", [_by_name, _by_address, _by_httpx, _a_socket])
def test_a_connection_is_refused_before_anybody_is_asked(
    connect: Callable[[], Coroutine[Any, Any, None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *of, **named: asked.append(of))
    with pytest.raises(Deadlock, match="on the virtual clock opens a connection to"):
        run("virtual", connect())
    assert asked == []
