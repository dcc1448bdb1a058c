"""A chat in the user's own words: the same calls, times and books as with a wish that is known,
and nothing sent for words that bear none."""

import json

import pytest

from harness.flow import facts
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import QueryWish, RefundWish, Wish
from tests.worlds import (
    BASELINE,
    BLOCKED,
    BY_CARD,
    PARALLEL,
    PREWARM,
    WISH,
    Act,
    Played,
    Trouble,
    Troubles,
    Turn,
    answer_lost,
    model_says,
    never_sent,
    overloaded,
    play,
    query_of,
    refund_of,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
PAY = "authorize_payment"


def hear(words: str) -> Act:
    return lambda agent, chat: agent.hear(chat, words)


def hear_of(words: str, receipt: int = 0) -> Act:
    """With the reference of an earlier payment in the words."""

    async def act(agent: Agent, chat: Chat) -> str:
        return await agent.hear(chat, words.format(agent.receipts[receipt].reference))

    return act


REFUND_WORDS = "Please refund 45.80 CNY of payment {}. The tea was cold."
QUERY_WORDS = "How does payment {} stand?"
REFUND, QUERY = hear_of(REFUND_WORDS), hear_of(QUERY_WORDS)


def _trail(played: Played) -> list[object]:
    """All that can be seen of a chat from outside, and what its rows hold."""
    rows = [(f.outcome, f.method, f.amount_minor, f.currency, f.fee_minor) for f in played.flows]
    calls = [(seen.key, seen.path) for seen in played.door.seen]
    return [played.response_ms, rows, calls, played.told, played.books]


@STRATEGIES
def test_words_are_as_good_as_a_known_wish(strategy: Strategy) -> None:
    known: list[Wish | float] = [WISH, 9.0, BY_CARD, 9.0, BLOCKED]
    words: list[Turn] = [one if isinstance(one, float) else hear(one.said()) for one in known]
    assert _trail(play(strategy, words)) == _trail(play(strategy, [*known]))


@STRATEGIES
def test_a_refund_in_words_ends_as_one_that_is_known(strategy: Strategy) -> None:
    played = play(strategy, [hear(WISH.said()), 9.0, REFUND, 9.0, QUERY])
    known = play(strategy, [WISH, 9.0, refund_of(), 9.0, query_of()])
    assert played.outcomes == known.outcomes == ["paid", "refunded", "ok"]
    assert (played.books, played.told) == (known.books, known.told)
    assert said(played.told[2]) == "refunded"


def test_confirming_in_parallel_saves_the_shorter_of_payment_and_confirmation() -> None:
    base, parallel = (play(one, [hear(WISH.said())]).response_ms for one in (BASELINE, PARALLEL))
    # Session 0.4 s and payment 0.6 s beside the confirmation's 0.7 s.
    assert (base, parallel) == ([500 + 400 + 600 + 700], [500 + 400 + 600])


UNCLEAR = ["Hello!", "Pay noodles with my balance", "How does payment txn_0000 stand?", "45.80 CNY"]
SEVERAL = [
    WISH.said() + " And pay 12.00 CNY to tea-house with my card.",
    WISH.said() + " And refund the last one.",
]


@pytest.mark.parametrize("words", [*UNCLEAR, *SEVERAL])
@STRATEGIES
def test_words_that_bear_no_wish_are_declined_and_nobody_is_called(
    strategy: Strategy, words: str
) -> None:
    played = play(strategy, [hear(words), 9.0, hear(WISH.said())])
    assert played.outcomes == ["declined", "paid"]
    assert played.door.stages(0) == []
    assert played.response_ms[0] == 0
    assert ("one thing at a time" if words in SEVERAL else "I can pay") in played.told[0]


def test_a_bill_is_not_split_in_a_chat() -> None:
    words = "Please split 90.00 CNY to noodles between bo, chen with our balance."
    played = play(BASELINE, [hear(words)])
    assert (played.outcomes, played.door.stages(), played.books) == (["declined"], ["intent"], [])
    assert "Nothing was paid" in played.told[0]


@pytest.mark.parametrize(
    "words",
    [
        "Please refund 45.80 CNY of payment txn_00000000.",
        "Please refund 45.80 USD of payment {}.",
    ],
)
def test_only_a_payment_of_this_chat_is_given_back_and_in_its_currency(words: str) -> None:
    played = play(BASELINE, [WISH, 9.0, hear_of(words)])
    assert played.outcomes == ["paid", "declined"]
    assert played.door.stages(1) == ["intent"]
    assert "Nothing was given back" in played.told[1]
    assert played.books == [("alice-0", "paid")]


def test_more_than_was_paid_is_declined_by_the_provider() -> None:
    played = play(BASELINE, [WISH, 9.0, hear_of("Please refund 45.81 CNY of payment {}.")])
    assert played.outcomes == ["paid", "declined"]
    assert played.books == [("alice-0", "paid")]


# What a model makes of words


def _asks(tool: str, **arguments: str) -> Trouble:
    return model_says((tool, json.dumps({**arguments, "wish": "as heard"})))


def _pays(**changes: str) -> Trouble:
    asked = {"amount": "45.80", "currency": "CNY", "payee": "noodles", "method": "balance"}
    return _asks(PAY, **{**asked, **changes})


WRONG = {
    "another amount": _pays(amount="458.00"),
    "another currency": _pays(currency="USD"),
    "another payee": _pays(payee="tea-house"),
    "a payee of the sentence's own words": _pays(payee="my"),
    "another method": _pays(method="card"),
    "payee and method changed about": _pays(payee="balance", method="noodles"),
    "a refund": _asks("refund_payment", amount="45.80", currency="CNY", reference="noodles"),
    "a query": _asks("query_payment", reference="txn_00000000"),
    "no call": model_says(text="Whom shall I pay?"),
    "two calls": model_says((PAY, "{}"), (PAY, "{}")),
    "no JSON": model_says((PAY, "{amount:")),
    "an amount in fen": _pays(amount="4580"),
}


@pytest.mark.parametrize("trouble", WRONG.values(), ids=WRONG.keys())
@STRATEGIES
def test_what_the_words_do_not_bear_never_reaches_a_provider(
    strategy: Strategy, trouble: Trouble
) -> None:
    wrong: Troubles = {(0, "intent", 1): trouble, (0, "intent", 2): trouble}
    played = play(strategy, [hear(WISH.said()), 9.0, hear(WISH.said())], troubles=wrong)
    assert played.outcomes == ["error", "paid"]
    assert played.flows[0].fault.startswith("Guarded: ")
    assert [flow.guarded for flow in played.flows] == [2, 0]
    assert set(played.door.stages(0)) <= {"intent", "session"}
    assert (played.told[0], played.books) == (facts.UNSURE, [("alice-1", "paid")])


@STRATEGIES
def test_a_model_that_is_wrong_once_is_asked_again(strategy: Strategy) -> None:
    wrong: Troubles = {(0, "intent", 1): _pays(payee="tea-house")}
    played = play(strategy, [hear(WISH.said())], troubles=wrong)
    assert (played.outcomes, played.books) == (["paid"], [("alice-0", "paid")])
    assert played.flows[0].guarded == 1


def test_a_refund_is_never_turned_into_a_payment() -> None:
    wrong = _pays(payee="payment", method="of")
    troubles: Troubles = {(1, "intent", n): wrong for n in (1, 2)}
    played = play(BASELINE, [WISH, 9.0, REFUND], troubles=troubles)
    assert played.outcomes == ["paid", "error"]
    assert played.books == [("alice-0", "paid")]


@pytest.mark.parametrize("trouble", [never_sent, answer_lost, overloaded])
@pytest.mark.parametrize("stage", ["intent", "session", "confirm"])
def test_a_fault_is_an_error_and_the_chat_goes_on(stage: str, trouble: Trouble) -> None:
    words = hear(WISH.said())
    played = play(BASELINE, [words, 9.0, words], troubles={(0, stage, 1): trouble})
    assert played.outcomes == ["error", "paid"]
    paid = stage == "confirm"
    assert (said(played.told[0]), len(played.receipts)) == ("paid" if paid else "", 1 + paid)


def test_a_payment_whose_answer_was_lost_is_settled_as_ever() -> None:
    played = play(BASELINE, [hear(WISH.said())], troubles={(0, "pay", 1): answer_lost})
    assert (played.outcomes, said(played.told[0])) == (["paid"], "paid")
    assert played.books == [("alice-0", "paid")]


def test_a_session_is_warmed_for_words_whatever_they_ask_for() -> None:
    """Nobody knows it until they are read; a query then takes the session that is there."""
    played = play(PREWARM, [WISH, 9.0, QUERY])
    assert played.response_ms[1] == 500 + 600 + 700
    assert played.flows[1].wasted_prewarms == 0


def test_the_words_here_are_those_of_the_scenarios() -> None:
    assert RefundWish(4580, "CNY", "{}", "The tea was cold.").said() == REFUND_WORDS
    assert QueryWish("{}").said() == QUERY_WORDS
