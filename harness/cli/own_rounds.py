"""The rounds of a function of the user's own on the virtual clock, where every provider's mock
answers it; it judges nothing."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from harness import clock as clocks
from harness.cli.own_flow import BadFlow, OwnFlow, function_arm, longest_s, rerouted
from harness.cli.wiring import Way, books_of
from harness.clock import Clock
from harness.flow.inbox import Inbox
from harness.flow.strategy import Strategy
from harness.in_process import InProcess
from harness.load.books import hold_against_books
from harness.load.engine import Tally, round_schedule, run_round
from harness.virtual_loop import Deadlock
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints

_APART_S = 100
"""Rounds begin at multiples of it. Ten thousand of them, the most there are, end at 1e6 s, where a
float still tells a tenth of a nanosecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A function, and how it is to be played, checked."""

    function: OwnFlow
    strategy: Strategy
    mocks: MockConfig
    seed: int
    rounds: int
    turns: int
    """Over all rounds; each is a conversation of its own."""
    rate: float
    others: Mapping[str, httpx.AsyncBaseTransport]


def play_own(own: Own) -> Tally:
    """All rounds, each on a loop of its own with mocks of its own. Raises what a function of a turn
    raises, and BadFlow too where the loop itself can go on no more.

    Time goes on from round to round: what a function keeps in its module, as a limiter does, would
    else wait for a time that it has seen to come again."""
    tally, start_ns = Tally(), 0
    with rounds_quickly(), rerouted():
        for round_ in range(own.rounds):
            start_ns = next_start_ns(_play_round(own, round_, start_ns, tally))
    return tally


@contextmanager
def rounds_quickly() -> Iterator[None]:
    """Every round begins with a garbage collection, which here need not walk through all that a
    session of tests holds."""
    kept = gc.get_freeze_count()  # by somebody who will want it kept so
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if not kept:
            gc.unfreeze()


def next_start_ns(end_s: float) -> int:
    """A round number, so that times keep their digits, and so that a turn which takes a little
    longer moves no round after its own."""
    return (int(end_s // _APART_S) + 1) * _APART_S * 10**9


def _play_round(own: Own, round_: int, start_ns: int, tally: Tally) -> float:
    """The loop's time at its end."""
    clock = clocks.VirtualClock()
    each, rest = divmod(own.turns, own.rounds)
    turns = each + (round_ < rest)

    async def main() -> float:
        arm = function_arm(
            own.strategy.name,
            own.function,
            own.strategy,
            way_in_process(own.mocks, clock),
            seed=own.seed,
            round_=round_,
            clock=clock,
            others=own.others,
            patience_s=longest_s(own.mocks),
        )
        schedule = round_schedule(own.seed, round_, [arm], turns=turns, turns_each=1, rate=own.rate)
        await run_round(clock, [arm], schedule, tally)
        await hold_against_books([arm], tally)
        return clock.now()

    try:
        return clocks.run("virtual", main(), start_ns=start_ns)
    except Deadlock as stuck:
        raise BadFlow(str(stuck)) from stuck


def way_in_process(mocks: MockConfig, clock: Clock) -> Way:
    inbox = Inbox("http://app")
    host = Host(clock, mocks, deliver=inbox)
    at = endpoints(IN_PROCESS_URL, mocks)
    return Way(InProcess(host.decide, clock), at, inbox, books_of(host))
