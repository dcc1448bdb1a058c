"""Tokens and keys that run out between turns: one fetch more, one retry, no payment lost."""

import asyncio

import httpx
import msgspec
import pytest

from harness.clock import VirtualClock, run
from harness.flow.agent import Agent
from harness.flow.flow import Chat, Flow, World
from harness.flow.strategy import Strategy, all_strategies
from harness.load.engine import BOOT
from harness.providers import wechat_ai
from harness.providers.told import decode_draw
from mocks.host import Host
from tests.worlds import (
    ALL_THREE,
    BASELINE,
    TOKEN_CACHE,
    WISH,
    Answer,
    Door,
    Played,
    Troubles,
    Turn,
    Weather,
    answer_lost,
    mock_cast,
    never_sent,
    play,
    refuses,
)

MONTH_S = 30 * 86_400.0


@pytest.mark.parametrize(
    ("gap_s", "refreshes", "cold"), [(890.0, 0, False), (1000.0, 1, True), (1e6, 1, True)]
)
def test_a_token_that_expired_between_turns_is_refreshed_without_a_refusal(
    gap_s: float, refreshes: int, cold: bool
) -> None:
    played = play(TOKEN_CACHE, [WISH, gap_s, WISH])
    assert played.door.stages().count("session") == 1
    assert played.door.stages().count("refresh") == refreshes
    assert played.flows[1].cold == cold
    assert played.response_ms[1] == (2200 if cold else 1800)
    assert [flow.stale_tokens for flow in played.flows] == [0, 0]


def test_prewarming_hides_a_refresh_behind_the_model_as_it_hides_an_opening() -> None:
    played = play(ALL_THREE, [WISH, 1000.0, WISH])
    assert sorted(played.door.stages(1)) == ["confirm", "intent", "pay", "refresh"]
    assert played.response_ms[1] == played.response_ms[0] == 500 + 700


def test_a_refresh_token_that_expired_too_costs_its_call_and_a_session_is_opened() -> None:
    played = play(TOKEN_CACHE, [WISH, MONTH_S + 10.0, WISH])
    assert played.outcomes == ["paid", "paid"]
    assert played.door.stages(1) == ["intent", "refresh", "session", "pay", "confirm"]
    assert played.response_ms[1] == 500 + 400 + 400 + 600 + 700


def test_a_refresh_whose_answer_is_lost_is_an_error_and_the_next_turn_opens_afresh() -> None:
    troubles: Troubles = {(1, "refresh", 1): answer_lost}
    played = play(TOKEN_CACHE, [WISH, 1000.0, WISH, 20.0, WISH], troubles=troubles)
    assert played.outcomes == ["paid", "error", "paid"]
    # The provider used the refresh token up; nobody knows the session that it gave for it.
    assert played.door.stages(2) == ["intent", "session", "pay", "confirm"]


@pytest.mark.parametrize(
    ("code", "fault"),
    [("APP_UNKNOWN", "Unauthorized"), ("MALFORMED_REQUEST", "Malformed")],
)
def test_a_session_that_is_refused_is_a_fault_of_its_kind(
    code: wechat_ai.RefusalCode, fault: str
) -> None:
    played = play(BASELINE, [WISH], troubles={(0, "session", 1): refuses(code)})
    assert (played.outcomes, played.books) == (["error"], [])
    assert played.flows[0].fault == f"{fault}: no session: {code}"


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
def test_a_stale_token_costs_one_refusal_one_refresh_and_one_retry(
    strategy: Strategy, response_ms: float
) -> None:
    pause_s = INTO_THE_WINDOW_S + (0.7 if strategy.parallel_confirm else 0.0)
    played = play(strategy, [WISH, pause_s, WISH])
    assert [flow.stale_tokens for flow in played.flows] == [0, 1]
    assert played.response_ms[1] == response_ms
    assert sorted(played.door.stages(1)) == ["confirm", "intent", "pay", "pay", "refresh"]
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
    assert played.door.stages() == ["intent", "session", "pay", "refresh", "pay"]


def test_a_retry_whose_answer_is_lost_is_looked_into_like_any_payment() -> None:
    troubles: Troubles = {(0, "pay", 1): refuses("TOKEN_EXPIRED"), (0, "pay", 2): answer_lost}
    played = play(BASELINE, [WISH], troubles=troubles)
    assert (played.outcomes, played.books) == (["paid"], [("alice-0", "paid")])
    assert played.door.stages()[-3:] == ["pay", "query", "confirm"]


def test_no_new_session_for_a_stale_token_is_an_error_and_not_unknown() -> None:
    troubles: Troubles = {(0, "pay", 1): refuses("TOKEN_EXPIRED"), (0, "refresh", 1): never_sent}
    played = play(BASELINE, [WISH, 20.0, WISH], troubles=troubles)
    # The refusal was final: there is nothing to ask the provider about.
    assert played.outcomes == ["error", "paid"]
    assert played.door.stages(0) == ["intent", "session", "pay", "refresh"]


# Keys that retire

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


@pytest.mark.parametrize(("days", "overlap_s"), [(30.0, OVERLAP_S), (1.0, 60.0)])
@pytest.mark.parametrize("strategy", all_strategies(), ids=lambda one: one.name)
def test_a_conversation_over_a_rotation_fetches_one_key_and_loses_no_turn(
    strategy: Strategy, days: float, overlap_s: float
) -> None:
    to_rotation_s, weather = days * 86_400.0, Weather(rotation_days=days, overlap=overlap_s)
    before, within, after = to_rotation_s - 40.0, 40.0, overlap_s
    turns: list[Turn] = [WISH, before, WISH, within, WISH, 10.0, WISH, after, WISH, 10.0, WISH]
    played = play(strategy, turns, weather=weather)
    assert played.outcomes == ["paid"] * 6
    assert [state for _, state in played.books] == ["paid"] * 6
    assert [flow.stale_tokens for flow in played.flows] == [0] * 6
    # Within the overlap the old key still serves; the new one is fetched when it has ended.
    keys = [_envelope(body).seal.key_id for body in played.door.bodies("pay")]
    assert keys == ["key-0"] * 4 + ["key-1"] * 2
    assert [played.door.stages(turn).count("key") for turn in range(6)] == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("fetch_s", "begin_s", "refused"),
    [
        (0.06, MONTH_S + OVERLAP_S, 0),  # the client knows that its key has ended
        (2.0, MONTH_S + OVERLAP_S + 0.5, 5),  # it takes the key for good 2 s longer than it is
    ],
)
def test_all_who_need_a_new_key_at_once_share_one_fetch(
    fetch_s: float, begin_s: float, refused: int
) -> None:
    played = _side_by_side(5, begin_s, Weather(key=fetch_s))
    assert played.outcomes == ["paid"] * 5
    assert played.door.stages().count("key") == 1
    assert played.door.stages().count("pay") == 5 + refused


def test_word_that_comes_late_of_the_old_key_does_no_harm_to_the_new() -> None:
    async def retired(request: httpx.Request, answer: Answer) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key is not None
        await asyncio.sleep(5.0 * key.conversation)
        body = wechat_ai.encode_reply(wechat_ai.Refusal("KEY_RETIRED", ""))[1]
        return httpx.Response(200, content=body)

    played = _side_by_side(3, 0.0, Weather(), {(0, "pay", 1): retired})
    assert played.outcomes == ["paid"] * 3
    assert played.door.stages().count("key") == 1


def _side_by_side(
    chats: int, begin_s: float, weather: Weather, troubles: Troubles | None = None
) -> Played:
    """One turn each of as many users of one app, all due at once."""
    clock = VirtualClock()

    async def main() -> Played:
        door = Door(Host(clock, weather.mocks()), troubles or {})
        world = World(clock, httpx.MockTransport(door), seed=1, round=0, mocked=True)
        cast = mock_cast(door.host.config)
        await cast.payers[0].start(Flow(world, BOOT, 0, clock.now(), clock.now()))
        due = max(begin_s, clock.now())
        all_of = [Chat(world, n, f"user-{n}", 1, due) for n in range(chats)]
        await asyncio.gather(
            *(Agent(cast, BASELINE, chat.user, WISH.method).pay(chat, WISH) for chat in all_of)
        )
        return Played(door, [flow for chat in all_of for flow in chat.flows], [])

    return run("virtual", main())


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
