"""What stays unknown in its turn is settled after it, or reported; and what the app holds of its
payments is what the books say, and what the user was told."""

import asyncio

import pytest

from harness.books import Beliefs
from harness.faults import Fault, Placed
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.recover import PAUSES_S
from harness.flow.strategy import Strategy
from harness.flow.wish import SplitWish
from mocks.stripe import KEY_LIFETIME_S
from tests.flow.payers.stand import CLIENTS
from tests.flow.struck import SURE, Struck, play_struck
from tests.worlds import ALL_THREE, BASELINE, BLOCKED, PARALLEL, WISH, Turn, refund_of, said

TRIES = SURE.most + 1
BILL = SplitWish(10_000, "CNY", "noodles", "balance", ("an", "bo", "chen"))
REFUNDED: list[Turn] = [WISH, 20.0, refund_of()]


def _for(looks: int, *stages: str, turn: int = 0) -> list[Placed]:
    """Nothing is told in the turn, nor in so many looks after it."""
    return [Placed(turn, stage, "lost", lasts=TRIES * (1 + looks)) for stage in stages]


def _undecided(looks: int = 0) -> list[Placed]:
    return [Placed(0, "pay", "timeouts"), *_for(looks, "query", "reverse")]


@pytest.mark.parametrize("looks", range(len(PAUSES_S)))
@pytest.mark.parametrize(("pay", "ends"), [("timeouts", "paid"), ("lost", "reversed")])
def test_a_payment_that_stayed_unknown_is_asked_after_until_it_is_known(
    pay: Fault, ends: str, looks: int
) -> None:
    placed = [Placed(0, "pay", pay), *_for(looks, "query", "reverse")]
    struck = play_struck(BASELINE, [WISH], *placed)
    assert (struck.outcomes, said(struck.told[0])) == (["unknown"], "unknown")
    assert struck.stages().count("pay") == 1
    assert struck.beliefs == [("alice-0", ends, False)]
    assert struck.breaches == []
    assert _shown(struck) == ["unknown", ends]


def test_each_look_comes_after_a_longer_pause_than_the_last() -> None:
    struck = play_struck(BASELINE, [WISH], *_undecided(looks=9))
    spans = sorted(struck.flows[0].spans, key=lambda span: span.start)
    sessions = [span for span in spans if span.stage == "session"][1:]
    began = [span.start for span in sessions]
    assert len(began) == len(PAUSES_S)
    ended = [
        max(span.end for span in spans if span.start < start and span.stage == "reverse")
        for start in began
    ]
    ended[0] = struck.flows[0].end or 0.0
    pauses = [round(start - end, 6) for start, end in zip(began, ended, strict=True)]
    assert pauses == list(PAUSES_S)


def test_what_never_can_be_told_is_reported() -> None:
    struck = play_struck(BASELINE, [WISH], *_undecided(looks=9))
    assert struck.beliefs == [("alice-0", "unknown", True)]
    assert (_shown(struck), struck.breaches) == (["unknown"], [])


def test_without_retries_what_is_unknown_is_reported_at_once() -> None:
    struck = play_struck(BASELINE, [WISH], *_undecided(), retries=None)
    assert (struck.outcomes, struck.beliefs) == (["unknown"], [("alice-0", "unknown", True)])
    assert (struck.stages(), struck.breaches) == (
        ["intent", "session", "pay", "query", "reverse", "confirm"],
        [],
    )


def test_a_turn_that_is_cut_off_while_it_is_settled_has_reported_it() -> None:
    async def meanwhile(agent: Agent, chat: Chat) -> None:
        async def cut() -> None:
            while not chat.flows or chat.flows[0].end is None:
                await asyncio.sleep(1.0)
            await asyncio.sleep(PAUSES_S[0] / 2)
            await chat.flows[0].cut()

        meanwhile.task = asyncio.create_task(cut())  # type: ignore[attr-defined]

    struck = play_struck(BASELINE, [WISH], *_undecided(), meanwhile=meanwhile)
    assert struck.beliefs == [("alice-0", "unknown", True)]


def test_the_fee_of_a_payment_that_is_known_later_is_owed() -> None:
    struck = play_struck(BASELINE, [WISH], *_undecided(looks=1))
    assert (struck.outcomes, struck.flows[0].fee_minor) == (["unknown"], 27)


@pytest.mark.parametrize("looks", [0, 2, 5])
@pytest.mark.parametrize("fault", ["lost", "timeouts", "errors"])
def test_a_refund_that_stayed_unknown_is_sent_again_under_its_number(
    fault: Fault, looks: int
) -> None:
    # In the turn it is sent twice, and each time as often as a call is.
    placed = Placed(1, "refund", fault, lasts=TRIES * (2 + looks))
    struck = play_struck(BASELINE, REFUNDED, placed)
    assert struck.outcomes == ["paid", "unknown"]
    (entry,) = struck.host.payments["wechat-ai"].ledger
    assert entry.refunds == {"alice-0-r1": WISH.amount_minor}
    assert struck.beliefs == [("alice-0", "refunded", False)]
    assert (struck.breaches, _shown(struck)) == ([], ["paid", "unknown", "refunded"])


@pytest.mark.parametrize("think_scale", [0.001, 1.0, 1000.0])
def test_every_look_comes_before_a_provider_forgets_what_it_was_sent(think_scale: float) -> None:
    """Each look may use up all patience with every call, and the refund itself was tried before."""
    turns: list[Turn] = [WISH, 20.0, refund_of(amount_minor=1000)]
    placed = Placed(1, "refund", "timeouts", lasts=TRIES * (2 + 9))
    struck = play_struck(BASELINE, turns, placed, lanes=["stripe"], think_scale=think_scale)
    sent = [span.start for span in struck.flows[1].spans if span.stage == "refund"]
    assert len(sent) == TRIES * (2 + len(PAUSES_S))
    assert sent[-1] - sent[0] < 0.75 * KEY_LIFETIME_S
    (entry,) = struck.host.payments["stripe"].ledger
    assert (entry.refunded_minor, struck.breaches) == (1000, [])


def test_all_looks_together_are_well_within_a_day() -> None:
    assert sum(PAUSES_S) < 0.6 * KEY_LIFETIME_S


UNHEARD = [
    Placed(0, "pay", "timeouts"),
    Placed(0, "query", "lost", lasts=TRIES),
    Placed(0, "reverse", "timeouts", lasts=TRIES),
]
"""The payment came to pass, then was taken back, and of neither was anything heard."""


@pytest.mark.parametrize("lane", [name for name, of in CLIENTS.items() if name == of.lane])
def test_what_the_app_took_back_unheard_is_reversed_and_nobody_is_told_of_a_refund(
    lane: str,
) -> None:
    struck = play_struck(BASELINE, [WISH], *UNHEARD, lanes=[lane])
    (belief,) = struck.beliefs
    assert belief[1] in ("reversed", "ordered")
    assert "refunded" not in _shown(struck)
    assert struck.breaches == []


def test_of_what_is_being_settled_nothing_is_given_back() -> None:
    turns: list[Turn] = [WISH, 1.0, refund_of(amount_minor=1000)]
    struck = play_struck(BASELINE, turns, *_undecided(looks=2))
    assert struck.outcomes == ["unknown", "declined"]
    assert "refund" not in struck.stages(1)
    assert (struck.beliefs, struck.breaches) == ([("alice-0", "paid", False)], [])


@pytest.mark.parametrize("looks", [0, 3])
def test_legs_of_a_bill_that_stayed_unknown_are_taken_back(looks: int) -> None:
    placed = [
        Placed(0, "pay", "timeouts"),
        # Each of the others is taken back in the turn, and the calls of all count together.
        *[Placed(0, stage, "lost", lasts=9 * (1 + looks)) for stage in ("query", "reverse")],
    ]
    struck = play_struck(BASELINE, [BILL], *placed)
    assert struck.outcomes == ["unknown"]
    assert [state for _, state in struck.books()] == ["voided"] * 3
    assert [outcome for _, outcome, _ in struck.beliefs] == ["reversed"] * 3
    assert struck.breaches == []


# What is held, and what is shown


def _shown(struck: Struck) -> list[str]:
    assert isinstance(struck.world.beliefs, Beliefs)
    return [shown.claims for belief in struck.world.beliefs for shown in belief.shown]


@pytest.mark.parametrize("strategy", [BASELINE, ALL_THREE], ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("turns", "held", "shown"),
    [
        ([WISH], [("alice-0", "paid", False)], ["paid"]),
        ([BLOCKED], [("alice-0", "declined", False)], ["declined"]),
        (REFUNDED, [("alice-0", "refunded", False)], ["paid", "refunded"]),
        ([BILL], [(f"alice-0-{n}", "paid", False) for n in range(3)], ["paid"] * 3),
    ],
)
def test_each_payment_has_a_belief_and_each_text_is_shown_with_it(
    strategy: Strategy, turns: list[Turn], held: list[tuple[str, str, bool]], shown: list[str]
) -> None:
    struck = play_struck(strategy, turns)
    assert (struck.beliefs, _shown(struck), struck.breaches) == (held, shown, [])


def test_a_refund_that_is_declined_says_nothing_of_the_payment() -> None:
    turns: list[Turn] = [*REFUNDED, 20.0, refund_of(amount_minor=1)]
    struck = play_struck(BASELINE, turns)
    assert struck.outcomes == ["paid", "refunded", "declined"]
    assert (_shown(struck), struck.breaches) == (["paid", "refunded"], [])


def test_parts_that_go_back_add_up() -> None:
    parts: list[Turn] = [20.0, refund_of(amount_minor=80), 20.0, refund_of(amount_minor=500)]
    struck = play_struck(BASELINE, [WISH, *parts])
    assert struck.world.beliefs is not None
    assert [belief.refunded_minor for belief in struck.world.beliefs] == [580]
    assert struck.breaches == []


@pytest.mark.parametrize("stage", ["intent", "session"])
def test_a_turn_that_ends_before_anything_was_sent_holds_nothing(stage: str) -> None:
    struck = play_struck(BASELINE, [WISH], Placed(0, stage, "lost", lasts=9))
    assert (struck.outcomes, struck.beliefs, struck.told) == (["error"], [], [""])


@pytest.mark.parametrize("strategy", [BASELINE, PARALLEL], ids=lambda one: one.name)
def test_where_no_model_can_tell_it_the_facts_are_shown(strategy: Strategy) -> None:
    struck = play_struck(strategy, [WISH], Placed(0, "confirm", "lost", lasts=9))
    assert (struck.outcomes, said(struck.told[0])) == (["error"], "paid")
    assert struck.flows[0].cause.startswith("Unreachable")
    assert (_shown(struck), struck.breaches) == (["paid"], [])
    assert [receipt.outcome for receipt in struck.receipts] == ["paid"]
