"""What all mocks of one world share: its clock, its luck, its journal, and the way to the app."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.clock import Clock
from mocks.courier import Deliver
from mocks.desk import KEPT_CALLS, Desk, Journal
from mocks.figures import Limits, Outage


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

    def desk(self, provider: str, limits: Limits | None) -> Desk:
        return Desk(self.clock, self.seed, provider, limits, self.journal)

    def exchange(self, fee_currency: str, currency: str) -> float:
        """What one unit of the fee's currency is worth in the payment's, where it is known."""
        if (fee_currency, currency) == ("USD", "CNY"):
            return self.cny_per_usd
        if (fee_currency, currency) == ("CNY", "USD"):
            return 1 / self.cny_per_usd
        return 1.0
