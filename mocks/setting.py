"""What all mocks of one world share: its clock, its luck, its journal, and the way to the app."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial

from harness import draws
from harness.clock import Clock
from harness.faults import CALL_STAGES, Fault, Faults
from harness.providers.told import DrawKey
from mocks.courier import Deliver
from mocks.desk import KEPT_CALLS, Desk, Journal
from mocks.faults.service import turned_by
from mocks.figures import Limits, Outage
from mocks.trail import Trail

Strike = tuple[Fault, DrawKey]

OTHER = "other"
"""What all stages are counted under that a foreign client's calls may have."""

CALLS_AT_ONCE = 1024
"""Whose faults are remembered: several parts of a mock ask for those of the call at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`lifetime_scale` multiplies the lifetimes of tokens, as think times are multiplied."""

    clock: Clock
    seed: int
    lifetime_scale: float = 1.0
    cny_per_usd: float = 1.0
    deliver: Deliver | None = None
    """Carries webhooks to the app; None where there is no app to tell."""
    outages: Sequence[Outage] = ()
    """When a model provider answers nobody."""
    journal: Journal = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    faults: Faults | None = None
    """What goes wrong here, where something is to."""
    struck: deque[Strike] = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    """The newest faults that did strike."""
    strikes_by: Counter[tuple[Fault, str]] = field(default_factory=Counter)
    """How often each did, by the stage that it struck."""
    trail: Trail = field(default_factory=Trail)
    """Where tokens and keys were issued, and where they came."""

    began: float = field(init=False)
    """When, by the clock. What is made at its first call counts from here all the same."""
    at: Callable[[str, DrawKey], Sequence[Fault]] = field(init=False, repr=False)
    """What strikes that call of that provider; nothing is noted."""

    def __post_init__(self) -> None:
        at = lru_cache(CALLS_AT_ONCE)(self.faults.at) if self.faults else _nothing
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "began", self.clock.now())

    def desk(self, provider: str, limits: Limits | None) -> Desk:
        turned = partial(turned_by, self.strikes, provider) if self.faults else None
        return Desk(self.clock, self.seed, provider, limits, self.journal, turned, self.began)

    def strikes(self, fault: Fault, provider: str, key: DrawKey) -> bool:
        """Whether it strikes that call; then it is noted that it did."""
        if fault not in self.at(provider, key):
            return False
        self.note(fault, key)
        return True

    def note(self, fault: Fault, key: DrawKey) -> None:
        """It did strike that call; what strikes only the copy of one is nobody's."""
        if self.trail.echoes:
            return
        self.struck.append((fault, key))
        self.strikes_by[fault, key.stage if key.stage in CALL_STAGES else OTHER] += 1

    def luck(self, what: str, key: DrawKey) -> float:
        """A draw between 0 and 1 of how a fault strikes that call."""
        place = (key.round, key.conversation, key.turn, key.stage, key.attempt)
        return draws.uniform(self.seed, "fault", what, *place)

    def exchange(self, fee_currency: str, currency: str) -> float:
        """What one unit of the fee's currency is worth in the payment's, where it is known."""
        if (fee_currency, currency) == ("USD", "CNY"):
            return self.cny_per_usd
        if (fee_currency, currency) == ("CNY", "USD"):
            return 1 / self.cny_per_usd
        return 1.0


def _nothing(provider: str, key: DrawKey) -> Sequence[Fault]:
    return ()
