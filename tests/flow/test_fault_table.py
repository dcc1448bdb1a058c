"""Every fault at every stage of a payment and of a refund, under every strategy: however the turn
ends, what the client holds is what the books say, and nothing is paid twice."""

from collections.abc import Sequence
from itertools import product

import pytest

from harness.faults import STAGES, Fault, Placed
from harness.flow.strategy import Strategy, all_strategies
from tests.flow.payers.stand import CLIENTS
from tests.flow.struck import Struck, play_struck
from tests.worlds import WISH, Turn, refund_of

WECHATS_OWN = ("session", "refresh", "key", "revoked", "expired", "rotations")
"""Stages and faults of a provider that has sessions and sealing keys."""

OTHERS_OWN = ("score", "close", "unknown-keys", "skew")
"""What neither of the two meets here; nor does any of them send notices."""

NEEDS: dict[str, Placed] = {
    "query": Placed(0, "pay", "timeouts"),
    "reverse": Placed(0, "pay", "cancels"),
    "refresh": Placed(1, "refund", "revoked"),
    "key": Placed(0, "pay", "rotations"),
}
"""What must go wrong for a call of that stage to be made at all."""

CELLS: list[tuple[str, Fault, str]] = [
    (provider, fault, stage)
    for provider, fault in product(("wechat-ai", "stripe"), STAGES)
    for stage in STAGES[fault]
    if not {fault, stage}.intersection(OTHERS_OWN)
    and not fault.startswith("notices")
    and not (provider == "stripe" and {fault, stage}.intersection(WECHATS_OWN))
]
STRATEGIES = all_strategies()
BUY_AND_RETURN: list[Turn] = [WISH, 20.0, refund_of(amount_minor=1000)]
LASTS = (1, 3, 7)
"""As long as one call, as all tries of one, and longer than the turn."""


@pytest.mark.parametrize("cell", CELLS, ids=lambda of: "-".join(of))
def test_what_the_client_holds_is_what_the_books_say(cell: tuple[str, Fault, str]) -> None:
    """Each cell in one strategy and with one length, in turn."""
    number = CELLS.index(cell)
    strategy = STRATEGIES[number % len(STRATEGIES)]
    _look_through(cell, strategy, LASTS[number // len(STRATEGIES) % len(LASTS)])


@pytest.mark.thorough
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda one: one.name)
@pytest.mark.parametrize("lasts", [LASTS[0], LASTS[-1]])
def test_what_the_client_holds_is_what_the_books_say_under_every_strategy(
    strategy: Strategy, lasts: int
) -> None:
    for cell in CELLS:
        _look_through(cell, strategy, lasts)


LANES = [name for name, of in CLIENTS.items() if name == of.lane]
PAY: tuple[Fault, ...] = ("lost", "reset", "timeouts")
THEN: tuple[Fault, ...] = ("lost", "timeouts")
LEFT = product(PAY, THEN, THEN, (1, 2))
"""How the payment fails, then the query, then what takes it back, and at which of its calls."""
UNASKED = [
    [Placed(0, "pay", pay), Placed(0, "query", query), Placed(0, "reverse", reverse, attempt)]
    for pay, query, reverse, attempt in LEFT
]


@pytest.mark.parametrize("lane", LANES)
def test_an_app_that_sends_nothing_again_leaves_no_order_open(lane: str) -> None:
    """Each in three of the ways; in all of them it takes longer."""
    _leaves_nothing_open(lane, [UNASKED[0], UNASKED[1][::2], UNASKED[8]])


@pytest.mark.thorough
@pytest.mark.parametrize("lane", LANES)
def test_an_app_that_sends_nothing_again_leaves_no_order_open_in_any_way(lane: str) -> None:
    _leaves_nothing_open(lane, [*UNASKED, *(one[::2] for one in UNASKED)])


def _leaves_nothing_open(lane: str, ways: Sequence[Sequence[Placed]]) -> None:
    for placed in ways:
        struck = play_struck(STRATEGIES[0], [WISH], *placed, lanes=[lane], retries=None)
        assert struck.breaches == [], placed
        _one_payment(struck, lane)


def _look_through(cell: tuple[str, Fault, str], strategy: Strategy, lasts: int) -> None:
    provider, fault, stage = cell
    turn = 1 if stage in ("refund", "reason", "refresh") else 0
    placed = [Placed(turn, stage, fault, lasts=lasts)]
    placed += [NEEDS[stage]] if stage in NEEDS else []
    struck = play_struck(strategy, BUY_AND_RETURN if turn else [WISH], *placed, lanes=[provider])
    by_mocks = [(of, key.stage) for of, key in struck.host.setting.struck]
    assert (fault, stage) in [*by_mocks, *struck.world.struck]
    assert struck.breaches == [], (cell, strategy.name, lasts)
    _one_payment(struck, provider)


def _one_payment(struck: Struck, provider: str) -> None:
    """Whatever happened: one wish is paid once or not at all."""
    stands = [entry for entry in struck.host.payments[provider].ledger if entry.terms]
    left = [
        entry.terms.amount_minor - entry.refunded_minor
        for entry in stands
        if entry.terms and entry.state in ("paid", "refunded")
    ]
    assert len([minor for minor in left if minor]) <= 1
