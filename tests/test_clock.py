"""The two clocks: on the virtual one waiting is an exact jump, and no clock is ever early."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.clock import ClockName, RealClock, VirtualClock, clock, run
from harness.virtual_loop import Deadlock

NANOSECOND = 1e-9
DAY = 86_400.0

TIMES = [1e-9, 1e-6, 0.001, 0.1, 0.1 + 0.2, 1 / 3, 1.0, 2.000000001, 899.999999999, DAY, 30 * DAY]


@pytest.mark.parametrize("when", TIMES)
def test_a_virtual_sleep_lands_within_a_nanosecond_and_never_early(when: float) -> None:
    assert 0 <= _lands_at(when) - when <= NANOSECOND


@given(st.lists(st.floats(min_value=0, max_value=1e5), min_size=1, max_size=8).map(sorted))
def test_a_chain_of_virtual_sleeps_adds_up_no_error(whens: list[float]) -> None:
    async def main() -> list[float]:
        here, seen = VirtualClock(), []
        for when in whens:
            await here.sleep_until(when)
            seen.append(here.now() - when)
        return seen

    # A step between equal times may carry the nanosecond of the one before.
    assert all(0 <= late <= 1.01 * NANOSECOND for late in run("virtual", main()))


def test_virtual_time_stands_still_while_code_runs() -> None:
    async def main() -> tuple[float, float]:
        here = VirtualClock()
        sum(range(100_000))
        for _ in range(1000):
            await asyncio.sleep(0)
        return here.now(), asyncio.get_running_loop().time()

    assert run("virtual", main()) == (0.0, 0.0)


def test_a_time_in_the_past_is_no_wait() -> None:
    async def main() -> float:
        here = VirtualClock()
        await here.sleep_until(5.0)
        await here.sleep_until(3.0)
        return here.now()

    assert run("virtual", main()) == 5.0


def test_two_tasks_interleave_by_time() -> None:
    trace: list[tuple[float, str]] = []

    async def tick(name: str, step: float) -> None:
        for n in range(1, 4):
            await VirtualClock().sleep_until(n * step)
            trace.append((VirtualClock().now(), name))

    async def main() -> None:
        await asyncio.gather(tick("slow", 5.0), tick("fast", 2.0))

    run("virtual", main())
    assert trace == [
        (2.0, "fast"),
        (4.0, "fast"),
        (5.0, "slow"),
        (6.0, "fast"),
        (10.0, "slow"),
        (15.0, "slow"),
    ]


def test_timers_a_moment_apart_do_not_fire_together() -> None:
    # asyncio runs a timer that is due within one tick of its clock at once.
    whens = [1.0, 1.000_000_01, 1.000_5, 1.001]
    seen: list[float] = []

    async def wake(when: float) -> None:
        await asyncio.sleep(when)
        seen.append(VirtualClock().now())

    async def main() -> None:
        await asyncio.gather(*map(wake, whens))

    run("virtual", main())
    assert seen == whens


def test_asyncio_timeout_ends_a_wait_at_its_virtual_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return VirtualClock().now()

    assert run("virtual", main()) == 2.5


def test_asyncio_timeout_lets_a_shorter_wait_be() -> None:
    async def main() -> float:
        async with asyncio.timeout(2.5):
            await asyncio.sleep(2.0)
        await asyncio.sleep(10.0)
        return VirtualClock().now()

    assert run("virtual", main()) == 12.0


async def _an_event_nobody_sets() -> None:
    await asyncio.Event().wait()


async def _each_other() -> None:
    async with asyncio.TaskGroup() as group:
        one: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        other: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        group.create_task(_hand_on(one, other))
        group.create_task(_hand_on(other, one))


async def _hand_on(come: "asyncio.Future[None]", go: "asyncio.Future[None]") -> None:
    await come
    go.set_result(None)


async def _a_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        await asyncio.get_running_loop().sock_recv(ours, 1)


async def _after_some_time() -> None:
    await asyncio.sleep(100)
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "waiting", [_an_event_nobody_sets, _each_other, _a_socket, _after_some_time]
)
def test_a_wait_that_no_timer_ends_is_a_deadlock(
    waiting: Callable[[], Coroutine[Any, Any, None]],
) -> None:
    with pytest.raises(Deadlock, match="no timer left"):
        run("virtual", waiting())


def test_the_order_of_events_is_the_same_in_every_run() -> None:
    def trace() -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []

        async def hop(n: int) -> None:
            for step in range(1, 6):
                # Many of these meet at the same instant: ties have an order too.
                await asyncio.sleep((n * step) % 7)
                seen.append((VirtualClock().now(), n))

        async def main() -> None:
            async with asyncio.TaskGroup() as group:
                for n in range(40):
                    group.create_task(hop(n))

        run("virtual", main())
        return seen

    first = trace()
    assert len(first) == 200
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(first))
    assert all(trace() == first for _ in range(9))


@pytest.mark.parametrize("start_ns", [2**24 * 10**9 - 1, 2**24 * 10**9, 9 * 10**16, 10**19])
def test_time_goes_on_however_long_the_clock_has_run(start_ns: int) -> None:
    async def main() -> float:
        clock = VirtualClock()
        for _ in range(50):
            await clock.sleep_until(clock.now() + 0.123456789)
        return clock.now()

    ended_s = run("virtual", main(), start_ns=start_ns)
    assert ended_s == pytest.approx(start_ns / 1e9 + 50 * 0.123456789, abs=0.001 + start_ns / 1e18)


@pytest.mark.parametrize("name", ["virtual", "real"])
def test_run_returns_what_main_returns_and_raises_what_it_raises(name: ClockName) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("lost")

    assert run(name, answer()) == 42
    with pytest.raises(KeyError, match="lost"):
        run(name, fail())


def test_every_virtual_run_starts_at_zero() -> None:
    assert [_lands_at(7.0) for _ in range(3)] == [7.0, 7.0, 7.0]


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """A shell starts what runs in its background with Ctrl-C switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupt_cancels_main_and_then_raises() -> None:
    cancelled: list[float] = []

    async def main() -> None:
        try:
            await asyncio.sleep(1)
            signal.raise_signal(signal.SIGINT)
            await asyncio.sleep(1e9)
        except asyncio.CancelledError:
            cancelled.append(VirtualClock().now())
            raise

    with pytest.raises(KeyboardInterrupt):
        run("virtual", main())
    assert cancelled == [1.0]


@pytest.mark.parametrize("wait", [0.0, 1e-6, 1e-4, 0.0007, 0.001, 0.003])
def test_the_real_clock_is_never_early(wait: float) -> None:
    async def main() -> float:
        here = RealClock()
        when = here.now() + wait
        await here.sleep_until(when)
        return here.now() - when

    assert run("real", main()) >= 0


@pytest.mark.parametrize("name", ["virtual", "real"])
def test_a_clock_knows_its_name(name: ClockName) -> None:
    assert clock(name).name == name


def _lands_at(when: float) -> float:
    async def main() -> float:
        here = VirtualClock()
        await here.sleep_until(when)
        return here.now()

    return run("virtual", main())
