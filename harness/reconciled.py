"""What came of holding what the apps believed against the books, as it stands in run.json and as
processes tell it each other; it holds nothing against them itself."""

from collections.abc import Mapping

import msgspec

KEPT_BREACHES = 20
"""The first ones are told; of the others, how many there are."""


class BreachSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not hold, and where. `rule` is one of harness.reconcile.RULES."""

    rule: str
    lane: str
    order_no: str
    variant: str = ""
    round: int = 0
    conversation: int = 0
    turn: int = 0
    why: str


class ReconciliationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over all rounds and strategies. `breaches` are the first ones, `breached` is how many
    there are."""

    orders: int = 0
    believed: int = 0
    """Payments that an app believed something of."""
    captured_minor: dict[str, int] = {}
    refunded_minor: dict[str, int] = {}
    fees_minor: dict[str, int] = {}
    settled_minor: dict[str, int] = {}
    """By currency: captured - refunded - fees."""
    unknown: int = 0
    """Payments that stayed unknown to the app, and were reported as that."""
    cut_off: int = 0
    """Orders of turns that were cut off in flight: how they end, nobody has seen to."""
    forgotten: int = 0
    """Payments of which the app's belief was not kept: of a long load the newest are."""
    breached: int = 0
    breaches: list[BreachSummary] = []


def merged(
    first: ReconciliationSummary | None, other: ReconciliationSummary | None
) -> ReconciliationSummary | None:
    """Of both together; None is of books that nobody has looked at."""
    if first is None or other is None:
        return first or other
    return ReconciliationSummary(
        orders=first.orders + other.orders,
        believed=first.believed + other.believed,
        captured_minor=_sum(first.captured_minor, other.captured_minor),
        refunded_minor=_sum(first.refunded_minor, other.refunded_minor),
        fees_minor=_sum(first.fees_minor, other.fees_minor),
        settled_minor=_sum(first.settled_minor, other.settled_minor),
        unknown=first.unknown + other.unknown,
        cut_off=first.cut_off + other.cut_off,
        forgotten=first.forgotten + other.forgotten,
        breached=first.breached + other.breached,
        breaches=sorted([*first.breaches, *other.breaches], key=_place)[:KEPT_BREACHES],
    )


def _sum(first: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    currencies = sorted({*first, *other})
    return {name: first.get(name, 0) + other.get(name, 0) for name in currencies}


def _place(breach: BreachSummary) -> tuple[int, int, int, str, str, str]:
    """Whichever process was first to tell of it."""
    at = breach.round, breach.conversation, breach.turn
    return *at, breach.variant, breach.rule, breach.order_no
