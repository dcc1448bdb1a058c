"""What measuring costs: a loop that is late is seen by its probe, and what is counted adds up."""

import asyncio

import pytest

from harness.clock import ClockName, VirtualClock, run
from harness.load.strain import Strain, straining
from harness.virtual_loop import VirtualLoop


class _Jumping(VirtualClock):
    """The virtual clock under the other's name, whose time a test may move while code runs."""

    name: ClockName = "real"

    def block(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.jump(loop.now_s + seconds)


class _Counts:
    def __init__(self, opened: int, calls: int) -> None:
        self.opened, self.calls = opened, calls


def _strained(*blocks_s: float) -> Strain:
    """Of half a second in which the loop was blocked so long, so often."""
    clock, strain = _Jumping(), Strain()

    async def main() -> None:
        async with straining(clock, [], strain):
            end = clock.now() + 0.5 - 1e-6
            for block_s in blocks_s:
                await clock.sleep_until(clock.now() + 0.0999)
                clock.block(block_s)
            await clock.sleep_until(end)

    run("virtual", main())
    return strain


def test_a_loop_that_nothing_blocks_is_never_late() -> None:
    strain = _strained()
    assert list(strain.loop_lags_ms) == pytest.approx([0.0] * 49, abs=1e-4)


def test_a_pause_is_the_lateness_of_every_probe_that_was_due_in_it() -> None:
    # Blocked from 99.9 ms to 149.9 ms: the probes of 100, 110, 120, 130 and 140 ms come then.
    late = [lag for lag in _strained(0.05).loop_lags_ms if lag > 1e-4]
    assert late == pytest.approx([49.9, 39.9, 29.9, 19.9, 9.9], abs=1e-3)


def test_the_virtual_clock_has_no_strain() -> None:
    strain = Strain()

    async def main() -> None:
        async with straining(VirtualClock(), [_Counts(1, 1)], strain):
            await asyncio.sleep(10.0)

    run("virtual", main())
    assert strain == Strain()


def test_connections_and_calls_are_those_of_the_round() -> None:
    transports, strain = [_Counts(5, 50), _Counts(1, 10)], Strain()

    async def main() -> None:
        for _ in range(2):
            async with straining(_Jumping(), [*transports, object()], strain):
                transports[0].opened += 2
                transports[1].calls += 30

    run("virtual", main())
    assert (strain.connections, strain.calls) == (4, 60)
    assert strain.cpu_share is not None


def test_a_transport_that_does_not_count_tells_nothing() -> None:
    strain = Strain()

    async def main() -> None:
        async with straining(_Jumping(), [object()], strain):
            pass

    run("virtual", main())
    assert (strain.connections, strain.calls) == (None, None)


def test_the_largest_share_of_a_core_is_kept_and_all_lateness() -> None:
    one, other = Strain(), Strain()
    one.note(0.5, 1, 10)
    other.note(0.8, 2, 20)
    one.loop_lags_ms.append(1.0)
    other.loop_lags_ms.extend([2.0, 3.0])
    one.add(other)
    one.add(Strain())
    assert (one.cpu_share, one.connections, one.calls) == (0.8, 3, 30)
    assert list(one.loop_lags_ms) == [1.0, 2.0, 3.0]
