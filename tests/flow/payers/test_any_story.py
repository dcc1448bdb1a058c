"""Any order of operations on one payment, with faults at any of their calls: nothing that a payer
tells is ever belied by its provider's books."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest

from harness.faults import ANYBODYS, Fault
from harness.flow.payers import Payer, Refund, Session, Settlement
from harness.providers.call import ProviderFault
from harness.providers.told import DrawKey
from tests.flow.payers.stand import CLIENTS, PAYMENT, Stand, at_stand

STORIES = 30
ACTS = ("query", "void", "refund", "refund the rest", "what was sent arrives late")
PAUSES_S = (0.0, 1.0, 45.0, 800.0, 3600.0)
"""Shorter and longer than an answer takes, than a client waits, and than tokens live."""
LATE = 99
"""The turn of what arrives late: nothing strikes it."""

PARTS = {"refund": Refund("r1c2-0-r1", 2000), "refund the rest": Refund("r1c2-0-r2", 3000)}
STATES = {
    "paid": {
        "paid",
        "refunded",
    },  # Also of what was given back in part, where a wire tells no more.
    "ordered": {"open", "voided"},
    "declined": {"declined"},
    "reversed": {"voided", "refunded"},
    "refunded": {"refunded"},
}
TELLS_AS_REFUNDED = ("alipay-ai", "alipay-orders", "alipay-v3")
"""Of a trade that was paid and then taken back these tell what they tell of one that was refunded:
who took it back knows it."""
RUNS_OUT = ("unionpay",)
"""Nothing of its wire closes an order."""


class Luck:
    """Faults by chance, of every call the same however often it is asked."""

    def __init__(self, seed: int, share: float) -> None:
        self._seed, self._share = seed, share

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        luck = random.Random(f"{self._seed} {key}")
        struck = key.turn != LATE and luck.random() < self._share
        return [luck.choice(ANYBODYS)] if struck else []


@dataclass
class Tale:
    """What was told so far that must stay so."""

    void: bool = False
    void_tried: bool = False
    back: dict[str, int] = field(default_factory=dict)


async def act(stand: Stand, payer: Payer, what: str, turn: int, session: Session) -> object:
    flow = stand.turn(turn)
    try:
        match what:
            case "authorize":
                return await payer.authorize(flow, session, PAYMENT)
            case "query":
                return await payer.query(flow, session, PAYMENT)
            case "void":
                return await payer.void(flow, session, PAYMENT)
            case _:
                return await payer.refund(flow, session, PAYMENT, PARTS[what])
    except ProviderFault:
        return None
    finally:
        await flow.join()


def hold(name: str, stand: Stand, tale: Tale, what: str, told: object) -> None:
    """Hold what was told against the books, and note what must stay so."""
    if what == "void":
        tale.void_tried, tale.void = True, tale.void or told is True
        assert name in RUNS_OUT or "open" not in stand.states, "it was left open"
    if isinstance(told, Settlement) and what in PARTS and told.outcome == "refunded":
        tale.back[what] = PARTS[what].amount_minor
    if isinstance(told, Settlement) and what not in PARTS:
        true = STATES[told.outcome]
        if told.outcome == "refunded" and name in TELLS_AS_REFUNDED and tale.void_tried:
            true = true | {"voided"}
        assert true & set(stand.states), told
    assert stand.captures <= 1
    given = sum(entry.refunded_minor for entry in stand.ledger)
    assert given >= sum(tale.back.values())
    if told == Settlement("declined") and what in PARTS and not tale.void_tried:
        assert PARTS[what].amount_minor not in refunds(stand), "it was made, whatever was told"
    if tale.void:
        assert stand.kept_minor == 0


def refunds(stand: Stand) -> list[int]:
    return [amount for entry in stand.ledger for amount in entry.refunds.values()]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name == "flat" else pytest.mark.thorough) for name in CLIENTS],
)
def test_nothing_that_is_told_is_belied_by_the_books(name: str) -> None:
    async def story(stand: Stand, seed: int) -> None:
        luck, tale = random.Random(seed), Tale()
        session = await stand.payer.open_session(stand.turn(LATE), PAYMENT.user, "balance")
        # Once a payment was given up or given back, nobody pays it again under its number.
        acts = [*["authorize"] * luck.randrange(1, 4), *luck.choices(ACTS, k=4)]
        for turn, what in enumerate(acts):
            if what == ACTS[-1]:
                stand.arrive_late(luck.randrange(turn))
                told = None
            else:
                told = await act(stand, stand.payer, what, turn, session)
            hold(name, stand, tale, what, told)
            await stand.turn(turn).sleep(luck.choice(PAUSES_S))
            session = await stand.payer.open_session(stand.turn(LATE), PAYMENT.user, "balance")

    for seed in range(STORIES):
        share = (0.1, 0.3, 0.6)[seed % 3]
        at_stand(name, partial(story, seed=seed), faults=Luck(seed, share))
