"""When a round began, by the wall: known of the real clock, and of no other."""

import time

import httpx

from harness import clock as clocks
from harness.clock import Clock, RealClock, VirtualClock
from harness.flow.flow import Chat, Flow, World
from harness.load.engine import Arm, Tally, run_round

NOBODY = httpx.MockTransport(lambda request: httpx.Response(404))


async def _nothing(of: Flow | Chat) -> None:
    pass


def _played(clock: Clock, round_: int = 3) -> Tally:
    tally = Tally()
    arm = Arm("only", World(clock, NOBODY, 1, round_, True), _nothing, _nothing)
    clocks.run(clock.name, run_round(clock, [arm], [], tally))
    return tally


def test_a_round_on_the_real_clock_began_between_before_and_after() -> None:
    before = time.time()
    (at,) = _played(RealClock()).began.items()
    assert at[0] == 3 and before - 0.001 <= at[1] <= time.time() + 0.001


def test_on_the_virtual_clock_nobody_knows() -> None:
    assert _played(VirtualClock()).began == {}


def test_of_shares_of_one_round_the_first_that_told_stands() -> None:
    whole, share = Tally(began={0: 10.0}), Tally(began={0: 10.5, 1: 20.0})
    whole.add(share)
    assert whole.began == {0: 10.0, 1: 20.0}
