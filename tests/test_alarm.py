"""Waiting on the real clock: never early, many waits at once, and none that outlives its task."""

import asyncio

import pytest

from harness.alarm import Alarm, kernel_has_timers
from harness.clock import RealClock, run

GAPS_S = (0.0, 1e-6, 1e-4, 0.0007, 0.003)


def test_no_wait_on_the_real_clock_ends_early() -> None:
    early: list[float] = []

    async def main() -> None:
        clock = RealClock()
        due = clock.now()
        for gap_s in GAPS_S * 4:
            due += gap_s
            await clock.sleep_until(due)
            early.append(due - clock.now())
        await clock.sleep_until(clock.now() - 10.0)

    run("real", main())
    assert max(early) <= 0


def test_many_waits_at_once_end_in_the_order_of_their_times() -> None:
    ended: list[float] = []

    async def main() -> None:
        clock = RealClock()
        start = clock.now() + 0.01

        async def wait(when: float) -> None:
            await clock.sleep_until(when)
            assert clock.now() >= when
            ended.append(when)

        # Not in their order, some equal, so that the timer has to be set to an earlier time.
        await asyncio.gather(*(wait(start + (n * 7 % 50) * 1e-4) for n in range(100)))

    run("real", main())
    assert ended == sorted(ended)
    assert len(ended) == 100


def test_a_wait_can_be_cancelled_and_the_next_one_is_its_own() -> None:
    async def main() -> None:
        clock = RealClock()
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await clock.sleep_until(clock.now() + 60.0)
        due = clock.now() + 0.002
        await clock.sleep_until(due)
        assert clock.now() >= due

    run("real", main())


def test_a_clock_may_be_used_in_one_loop_after_another() -> None:
    clock = RealClock()

    async def main() -> None:
        due = clock.now() + 0.001
        await clock.sleep_until(due)
        assert clock.now() >= due

    for _ in range(2):
        run("real", main())


@pytest.mark.skipif(not kernel_has_timers(), reason="this system has no timerfd")
def test_a_wait_for_a_time_that_is_over_ends_at_once() -> None:
    async def main() -> None:
        await Alarm().at(0.0)

    run("real", main())
