"""The reference chat agent behind its wire: what it streams, what it remembers, and whose draws
it names."""

import asyncio
import json
import random

import pytest

from harness.flow.strategy import Strategy, all_strategies
from harness.flow.wish import QueryWish, RefundWish
from harness.providers.trace import Trace, encode_traceparent
from tests.scenarios.chats import Got, Shop, visit
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    BLOCKED,
    PARALLEL,
    PREWARM,
    TOKEN_CACHE,
    WISH,
    said,
)

STRATEGIES = pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)


async def _once(shop: Shop) -> Got:
    return await shop.say()


def test_the_confirmation_comes_in_pieces_and_the_outcome_last() -> None:
    got = visit(_once)
    assert (got.status, got.headers["content-type"]) == (200, "text/event-stream")
    assert len(got.chunks) > 5
    assert (got.told.outcome, said(got.told.text)) == ("paid", "paid")
    assert got.chunks[-1].endswith(b'data: {"outcome":"paid"}\n\n')


# Intent 0.5 s, session 0.4 s, payment 0.6 s, confirmation 0.7 s; the confirmation hides beside
# session and payment, a session beside the intent.
TIMES = [
    (BASELINE, 2200),
    (PREWARM, 1800),
    (TOKEN_CACHE, 2200),
    (PARALLEL, 1500),
    (ALL_THREE, 1200),
]


@pytest.mark.parametrize(("strategy", "ms"), TIMES, ids=[one.name for one, _ in TIMES])
def test_a_strategy_is_seen_from_outside(strategy: Strategy, ms: float) -> None:
    assert visit(_once, strategy).took_ms == ms


def test_a_kept_session_is_seen_in_the_next_turn_of_the_same_user_only() -> None:
    async def play(shop: Shop) -> list[float]:
        return [(await shop.say(user=user)).took_ms for user in ("ann", "ann", "bob")]

    assert visit(play, TOKEN_CACHE) == [2200, 1800, 2200]


@STRATEGIES
def test_nothing_is_told_before_it_is_final(strategy: Strategy) -> None:
    got = visit(lambda shop: shop.say(BLOCKED.said()), strategy)
    assert (got.told.outcome, said(got.told.text)) == ("declined", "declined")


def test_a_payment_of_this_chat_can_be_asked_for_and_given_back() -> None:
    async def play(shop: Shop) -> list[str]:
        reference = (await shop.say()).told.text.split("the reference ")[1].split()[0]
        words = [QueryWish(reference).said(), RefundWish(4580, "CNY", reference).said()]
        mine = [await shop.say(text) for text in words]
        others = [await shop.say(text, "bob") for text in words]
        return [got.told.outcome for got in mine + others]

    assert visit(play) == ["ok", "refunded", "declined", "declined"]


# One after another, side by side, and no more than so many


def test_one_users_messages_wait_for_each_other_and_two_users_do_not() -> None:
    async def play(shop: Shop) -> list[float]:
        users = ("ann", "ann", "bob")
        return [got.took_ms for got in await asyncio.gather(*(shop.say(user=u) for u in users))]

    assert visit(play) == [2200, 4400, 2200]


def test_the_user_who_was_silent_longest_is_forgotten() -> None:
    async def play(shop: Shop) -> tuple[list[float], bytes]:
        users = ("ann", "bob", "ann", "cho", "ann", "bob")
        took = [(await shop.say(user=user)).took_ms for user in users]
        return took, (await shop.ask(b"", method="GET", path="/health")).body

    took, health = visit(play, TOKEN_CACHE, most_conversations=2)
    # When cho came, bob went: ann's session is still there, bob's is not.
    assert took == [2200, 2200, 1800, 2200, 1800, 2200]
    assert json.loads(health) == {"status": "ok", "strategy": "token_cache", "conversations": 2}


def test_nobody_is_forgotten_while_answered() -> None:
    async def play(shop: Shop) -> tuple[list[str], int]:
        many = [f"user-{n}" for n in range(8)]
        got = await asyncio.gather(*(shop.say(user=user) for user in many + many))
        await shop.say(user="another")
        health = json.loads((await shop.ask(b"", method="GET", path="/health")).body)
        return [one.told.outcome for one in got], health["conversations"]

    assert visit(play, most_conversations=3) == (["paid"] * 16, 3)


# Traces and draws


def test_every_call_of_a_turn_carries_the_trace_of_the_request() -> None:
    trace = Trace(7, 3, 1)

    async def play(shop: Shop) -> list[str]:
        await shop.say(trace=trace)
        return shop.traces()

    assert visit(play) == [encode_traceparent(trace)] * 4


FOREIGN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("header", "sent"),
    [("", ""), (FOREIGN, FOREIGN), ("00-abc", ""), ("00-" + "0" * 32 + "-b7ad6b7169203331-01", "")],
)
def test_a_foreign_trace_is_passed_on_and_a_broken_one_is_not(header: str, sent: str) -> None:
    async def play(shop: Shop) -> tuple[set[str], set[tuple[int, int]]]:
        for user in ("ann", "bob", "bob"):
            await shop.say(user=user, traceparent=header)
        keys = [seen.key for seen in shop.door.seen[1:]]
        return set(shop.traces()), {(key.conversation, key.turn) for key in keys}

    # They are no test's: conversations and turns are counted.
    assert visit(play) == ({sent}, {(0, 0), (1, 0), (1, 1)})


def test_draws_are_those_of_the_trace_in_whatever_order_requests_come() -> None:
    turns = [(f"user-{c}", Trace(7, c, t)) for c in range(3) for t in range(2)]
    shuffled = random.Random(1).sample(turns, len(turns))
    assert shuffled != turns

    async def drawn(shop: Shop, order: list[tuple[str, Trace]]) -> list[str]:
        await asyncio.gather(*(shop.say(user=user, trace=trace) for user, trace in order))
        return sorted(str(seen.key) for seen in shop.door.seen)

    first = visit(lambda shop: drawn(shop, turns))
    second = visit(lambda shop: drawn(shop, shuffled))
    assert first == second
    assert len(first) == 1 + 4 * len(turns)


def test_two_runs_with_the_same_users_are_two_conversations() -> None:
    async def play(shop: Shop) -> list[tuple[str, str]]:
        for run in (7, 8):
            for turn in range(2):
                await shop.say(trace=Trace(run, 0, turn))
        return shop.books

    assert visit(play) == [(f"s-{n}-{turn}", "paid") for n in range(2) for turn in range(2)]


def test_the_same_turn_told_again_pays_once() -> None:
    async def play(shop: Shop) -> tuple[list[str], list[tuple[str, str]]]:
        got = [await shop.say(trace=Trace(7, 0, 0)) for _ in range(2)]
        return [one.told.outcome for one in got], shop.books

    assert visit(play) == (["paid", "paid"], [("s-0-0", "paid")])


OTHER = WISH.said().replace("45.80", "12.00")


def test_other_words_in_a_turn_that_was_told_before_are_refused_and_pay_nothing() -> None:
    async def play(shop: Shop) -> tuple[list[tuple[int, str]], list[tuple[str, str]], int]:
        trace = Trace(7, 0, 0)
        got = [await shop.say(text, trace=trace) for text in (WISH.said(), OTHER, WISH.said())]
        told = [(one.status, one.told.outcome if one.status == 200 else one.code) for one in got]
        return told, shop.books, shop.ended.total()

    told, books, ended = visit(play)
    assert told == [(200, "paid"), (400, "bad_message"), (200, "paid")]
    assert (books, ended) == ([("s-0-0", "paid")], 2)


def test_other_words_are_another_intent_in_another_turn_or_conversation() -> None:
    async def play(shop: Shop) -> list[str]:
        said = [(Trace(7, 0, 0), WISH.said()), (Trace(7, 0, 1), OTHER), (Trace(7, 1, 0), OTHER)]
        traced = [await shop.say(text, trace=trace) for trace, text in said]
        untraced = [await shop.say(text) for text in (WISH.said(), OTHER)]
        return [got.told.outcome for got in traced + untraced]

    assert visit(play) == ["paid"] * 5
