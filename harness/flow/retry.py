"""Sending a call again after a fault: how often, after which pause, and out of whose budget.

It knows no call: whether one may be sent again at all is the business of whoever makes it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from harness import draws
from harness.providers.call import Malformed, Overloaded, ProviderFault, RateLimited, Unreachable

if TYPE_CHECKING:
    from harness.flow.flow import Flow

T = TypeVar("T")


@dataclass(slots=True)
class Retries:
    """One app's budget, which all its calls share: where most calls fail, sending them again makes
    it worse for everybody, so the budget is earned by first tries. Each call is tried `most` times
    more, after a pause that is anything up to a longest one, which doubles from `pause_s`."""

    most: int = 2
    pause_s: float = 0.5
    longest_s: float = 8.0
    earned: float = 0.2
    """What a first try adds."""
    left: float = 10.0
    """How many more there may be now."""
    saved: float = 100.0
    """What of it is kept at most, however well all went before."""

    def earn(self) -> None:
        self.left = min(self.saved, self.left + self.earned)

    def spend(self) -> bool:
        """Whether there is enough for one more; then that is spent."""
        if self.left < 1:
            return False
        self.left -= 1
        return True

    def longest_pause_s(self, failed: int) -> float:
        """Before the next try, when so many have failed."""
        return min(self.longest_s, self.pause_s * 2.0 ** (failed - 1))


def again(
    flow: "Flow",
    stage: str,
    attempt: Callable[[], Awaitable[T]],
    may: Callable[[ProviderFault], bool],
    whom: str = "",
) -> Awaitable[T]:
    """What `attempt` comes to, made again after a fault after which it `may` be, as far as the
    world's retries go; raises the last fault. Whether it may is asked before the pause and after
    it, as a user may think otherwise meanwhile. The pauses are drawn by the stage and how often the
    turn has called in it; `whom` tells apart those that are called side by side."""
    retries = flow.world.retries
    return attempt() if retries is None else _again(flow, stage, attempt, may, whom, retries)


def passing(fault: ProviderFault) -> bool:
    """The same call may go better in a moment: no whole answer came, or the provider is busy. It
    may have been carried out all the same."""
    if isinstance(fault, Malformed):
        return fault.what == "no JSON" or fault.what.startswith("the stream ended")
    return isinstance(fault, Unreachable | Overloaded)


def not_done(fault: ProviderFault) -> bool:
    """It was turned away at the door: nothing of it was carried out. A 503 may be anybody's on the
    way, and is not so sure."""
    return isinstance(fault, RateLimited)


async def _again(
    flow: "Flow",
    stage: str,
    attempt: Callable[[], Awaitable[T]],
    may: Callable[[ProviderFault], bool],
    whom: str,
    retries: Retries,
) -> T:
    retries.earn()
    for failed in range(1, retries.most + 1):
        try:
            return await attempt()
        except ProviderFault as fault:
            if not may(fault) or not retries.spend():
                raise
            await _pause(flow, stage, whom, retries.longest_pause_s(failed))
            if not may(fault):
                raise
    return await attempt()


async def _pause(flow: "Flow", stage: str, whom: str, longest_s: float) -> None:
    luck = draws.uniform(
        flow.world.seed, "retry", flow.world.round, flow.conversation, flow.turn, stage,
        flow.attempts(stage), whom,
    )  # fmt: skip
    await flow.sleep(draws.microseconds(luck * longest_s))
