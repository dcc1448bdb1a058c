"""Tokens and keys that run out between turns: one fetch more, one retry, no payment lost."""

import msgspec
import pytest

from harness.flow.strategy import Strategy
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    TOKEN_CACHE,
    WISH,
    Troubles,
    Weather,
    answer_lost,
    never_sent,
    play,
    refuses,
)


@pytest.mark.parametrize(
    ("gap_s", "sessions", "cold"), [(890.0, 1, False), (1000.0, 2, True), (1e6, 2, True)]
)
def test_a_token_that_expired_between_turns_is_opened_anew_without_a_refusal(
    gap_s: float, sessions: int, cold: bool
) -> None:
    played = play(TOKEN_CACHE, [WISH, gap_s, WISH])
    assert played.door.stages().count("session") == sessions
    assert played.flows[1].cold == cold
    assert played.response_ms[1] == (2200 if cold else 1800)
    assert [flow.stale_tokens for flow in played.flows] == [0, 0]


# The provider counts a token's life from the request, the client from the answer: for as long as
# opening took, 0.4 s here, the client takes for good what the provider honours no more. Opened
# 0.5 s into the first turn, the token is refused from 900.5 s on and held until 900.9 s.
INTO_THE_WINDOW_S = 900.7 - 0.5 - 2.2


@pytest.mark.parametrize(
    ("strategy", "response_ms"),
    [
        (TOKEN_CACHE, 500 + 600 + 400 + 600 + 700),
        (Strategy(token_cache=True, parallel_confirm=True), 500 + 600 + 400 + 600),
    ],
)
def test_a_stale_token_costs_one_refusal_one_session_and_one_retry(
    strategy: Strategy, response_ms: float
) -> None:
    pause_s = INTO_THE_WINDOW_S + (0.7 if strategy.parallel_confirm else 0.0)
    played = play(strategy, [WISH, pause_s, WISH])
    assert [flow.stale_tokens for flow in played.flows] == [0, 1]
    assert played.response_ms[1] == response_ms
    assert sorted(played.door.stages(1)) == ["confirm", "intent", "pay", "pay", "session"]
    assert played.flows[1].cold
    assert played.books == [("alice-0", "paid"), ("alice-1", "paid")]


def test_the_retry_after_a_stale_token_has_the_same_order_number_and_another_token() -> None:
    played = play(TOKEN_CACHE, [WISH, INTO_THE_WINDOW_S, WISH])
    first, again = map(_envelope, played.door.bodies("pay")[1:])
    assert first.seq == again.seq == "alice-1"
    assert first.auth != again.auth


def test_a_token_refused_twice_is_the_providers_fault_and_not_tried_a_third_time() -> None:
    stale = refuses("TOKEN_EXPIRED")
    played = play(BASELINE, [WISH], troubles={(0, "pay", 1): stale, (0, "pay", 2): stale})
    assert (played.outcomes, played.books) == (["error"], [])
    assert played.flows[0].stale_tokens == 1
    assert played.door.stages() == ["intent", "session", "pay", "session", "pay"]


def test_a_retry_whose_answer_is_lost_is_looked_into_like_any_payment() -> None:
    troubles: Troubles = {(0, "pay", 1): refuses("TOKEN_EXPIRED"), (0, "pay", 2): answer_lost}
    played = play(BASELINE, [WISH], troubles=troubles)
    assert (played.outcomes, played.books) == (["paid"], [("alice-0", "paid")])
    assert played.door.stages()[-3:] == ["pay", "query", "confirm"]


def test_no_new_session_for_a_stale_token_is_an_error_and_not_unknown() -> None:
    troubles: Troubles = {(0, "pay", 1): refuses("TOKEN_EXPIRED"), (0, "session", 2): never_sent}
    played = play(BASELINE, [WISH, 20.0, WISH], troubles=troubles)
    # The refusal was final: there is nothing to ask the provider about.
    assert played.outcomes == ["error", "paid"]
    assert played.door.stages(0) == ["intent", "session", "pay", "session"]


# Keys that retire

MONTH_S = 30 * 86_400.0
OVERLAP_S = 3600.0


@pytest.mark.parametrize("strategy", [BASELINE, ALL_THREE], ids=lambda one: one.name)
def test_a_key_retired_between_turns_is_fetched_once_more(strategy: Strategy) -> None:
    played = play(strategy, [WISH, MONTH_S + OVERLAP_S, WISH, 20.0, WISH])
    assert played.outcomes == ["paid"] * 3
    assert [played.door.stages(turn).count("key") for turn in (0, 1, 2)] == [0, 1, 0]
    # The client knows when its key expires, and asks before it is refused.
    assert [played.door.stages(turn).count("pay") for turn in (0, 1, 2)] == [1, 1, 1]


@pytest.mark.parametrize("gap_s", [MONTH_S - 10.0, MONTH_S, MONTH_S + OVERLAP_S - 10.0])
def test_a_rotated_key_serves_until_its_overlap_ends(gap_s: float) -> None:
    played = play(BASELINE, [WISH, gap_s, WISH])
    assert played.outcomes == ["paid", "paid"]
    assert "key" not in played.door.stages()


def test_a_key_that_the_provider_retired_first_is_fetched_once_and_the_payment_sealed_again() -> (
    None
):
    # Fetching it took 2 s, so for 2 s the client takes for good what the provider has retired.
    weather = Weather(key=2.0)
    until_pay_s = 2.0 + 2.2 + 0.5 + 0.4
    pause_s = MONTH_S + OVERLAP_S + 1.0 - until_pay_s
    played = play(BASELINE, [WISH, pause_s, WISH], weather=weather)
    assert played.outcomes == ["paid", "paid"]
    assert played.door.stages(1) == ["intent", "session", "pay", "key", "pay", "confirm"]
    assert played.response_ms[1] == 500 + 400 + 600 + 2000 + 600 + 700
    refused, sealed_again = map(_envelope, played.door.bodies("pay")[1:])
    assert refused.seq == sealed_again.seq == "alice-1"
    assert (refused.seal.key_id, sealed_again.seal.key_id) == ("key-0", "key-1")


class _Auth(msgspec.Struct):
    session_token: str


class _Seal(msgspec.Struct):
    key_id: str


class _Envelope(msgspec.Struct):
    seq: str
    auth: _Auth
    seal: _Seal


def _envelope(body: bytes) -> _Envelope:
    return msgspec.json.decode(body, type=_Envelope)
