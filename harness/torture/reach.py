"""Where each fault can strike: which provider and which scenario have the call, and what must have
gone wrong before it for that call to be made. It places none.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from harness.faults import FAULTS, ONLY_AT, SEALED, SESSIONS, STAGES, Fault

SCENARIOS = (
    "conversation",
    "checkout",
    "refund",
    "split_bill",
    "tipping",
    "method_switch",
    "routed",
    "fraud_checked",
)
"""Those that pay, on mocks that answer."""

NOT_PLAYED: Mapping[str, str] = {
    "failover": "what goes wrong in it is an outage of its own, by the clock",
}
"""The others, each with why."""

TWO_LANES = ("method_switch", "routed")
"""What they are about needs two providers."""

PROVIDERS = (
    "wechat-ai",
    "unionpay-ai",
    "flat",
    "stripe",
    "alipay-ai",
    "alipay-v3",
    "unionpay",
    "wechatpay",
)
_ORDER_ONLY = ("alipay-v3", "unionpay", "wechatpay")
_CLOSED = ("alipay-v3", "wechatpay")

_AT_STAGE: dict[str, tuple[str, ...]] = {
    "session": SESSIONS,
    "refresh": SESSIONS,
    "key": SEALED,
    "close": _CLOSED,
    "refund": tuple(name for name in PROVIDERS if name not in _ORDER_ONLY),
}
"""Who has such a call, where not everyone has."""

_IN_SCENARIO: dict[str, str] = {
    "reason": "refund",
    "refund": "refund",
    "score": "fraud_checked",
}


class Cell(NamedTuple):
    """One fault at one stage: what coverage is counted by."""

    fault: Fault
    stage: str

    def __str__(self) -> str:
        return f"{self.fault} at {self.stage}"


ALL_CELLS = tuple(Cell(fault, stage) for fault in FAULTS for stage in STAGES[fault])


class Place(NamedTuple):
    """A scenario at a provider, where cells can be reached."""

    scenario: str
    provider: str


def can_meet(provider: str, cell: Cell) -> bool:
    """Who pays by that provider."""
    everyone = PROVIDERS
    return provider in _AT_STAGE.get(cell.stage, everyone) and provider in ONLY_AT.get(
        cell.fault, everyone
    )


def places_of(cell: Cell, scenarios: Collection[str], providers: Collection[str]) -> list[Place]:
    """Where it can be reached, among these; none where it cannot."""
    only = _IN_SCENARIO.get(cell.stage)
    return [
        Place(scenario, provider)
        for scenario in scenarios
        if only in (None, scenario) and _has_stage(scenario, cell.stage)
        for provider in providers
        if can_meet(provider, cell)
    ]


@cache
def cells_at(place: Place) -> tuple[Cell, ...]:
    return tuple(cell for cell in ALL_CELLS if places_of(cell, [place.scenario], [place.provider]))


def reachable(scenarios: Collection[str], providers: Collection[str]) -> Iterator[Cell]:
    """In the order of the table."""
    return (cell for cell in ALL_CELLS if places_of(cell, scenarios, providers))


def _has_stage(scenario: str, stage: str) -> bool:
    """A leg of a shared bill opens a session of its own, which is neither kept nor refreshed."""
    return not (scenario == "split_bill" and stage == "refresh")
