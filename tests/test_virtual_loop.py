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


def test_timers_of_one_time_run_in_the_order_in_which_they_were_set() -> None:
    seen: list[int] = []

    async def sleeps(n: int) -> None:
        await VirtualClock().sleep_until(1.0)
        seen.append(n)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(0, 20, 2):
                group.create_task(sleeps(n))
                await asyncio.sleep(0)
                asyncio.get_running_loop().call_at(1.0, seen.append, n + 1)

    run("virtual", main())
    assert seen == list(range(20))


def test_timers_that_were_cancelled_do_not_pile_up() -> None:
    async def main() -> int:
        kept = asyncio.create_task(asyncio.sleep(20 * 86_400))
        for _ in range(20_000):
            async with asyncio.timeout(86_400):
                await VirtualClock().sleep_until(VirtualClock().now() + 0.001)
        kept.cancel()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return len(loop._timers)

    assert run("virtual", main()) <= 2_000


def test_a_cancelled_timer_is_no_time_to_jump_to() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(5.0, int).cancel()
        sleeper = asyncio.ensure_future(VirtualClock().sleep_until(6.0))
        await asyncio.sleep(1.0)
        sleeper.cancel()
        await asyncio.wait([sleeper])
        assert sleeper.cancelled()
        await asyncio.sleep(9.0)
        return loop.time()

    assert run("virtual", main()) == 10.0
    with pytest.raises(Deadlock, match="no timer left"):
        run("virtual", _cancels_the_last_and_waits())


async def _cancels_the_last_and_waits() -> None:
    asyncio.get_running_loop().call_later(5.0, int).cancel()
    await asyncio.Event().wait()


def test_a_clock_goes_on_with_the_next_loop_when_its_own_is_closed() -> None:
    clock = VirtualClock()

    async def main() -> list[float]:
        seen = [clock.now()]
        await clock.sleep_until(2.0)
        return [*seen, clock.now()]

    assert run("virtual", main()) == [0.0, 2.0]
    assert run("virtual", main(), start_ns=10**9) == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="no running event loop"):
        clock.now()


def test_a_loop_tells_its_last_time_when_it_is_closed_and_may_be_closed_again() -> None:
    loop = VirtualLoop(start_ns=10**9)
    loop.run_until_complete(asyncio.sleep(2.0))
    loop.close()
    loop.close()
    assert (loop.is_closed(), loop.time()) == (True, 3.0)


def test_a_loop_that_runs_cannot_be_closed_and_goes_on() -> None:
    async def main() -> float:
        with pytest.raises(RuntimeError, match="running"):
            asyncio.get_running_loop().close()
        await VirtualClock().sleep_until(1.0)
        return VirtualClock().now()

    assert run("virtual", main()) == 1.0


def test_a_loop_that_is_closed_takes_nothing_more() -> None:
    loop = VirtualLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(int)


def test_a_clock_goes_with_the_loop_that_runs() -> None:
    clock = VirtualClock()

    async def main() -> float:
        await clock.sleep_until(clock.now() + 2.0)
        return clock.now()

    assert [run("virtual", main()), run("virtual", main(), start_ns=10**9)] == [2.0, 3.0]
