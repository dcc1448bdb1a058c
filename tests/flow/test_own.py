"""A function of a user's own is a turn: calls are spans of stages, and its end is an outcome."""

import random
from functools import partial

import httpx
import msgspec
import numpy as np
import pytest

from harness.flow.own import OwnTurn, current_turn
from harness.flow.own_function import OwnFlow, what_is_wrong
from harness.flow.routing import BadFlow
from harness.flow.strategy import Strategy
from harness.record import Outcome
from tests.flow.own_turns import OPENAI, STRIPE, Servers, ask, play


async def buy(turn: OwnTurn) -> None:
    with turn.stage("intent"):
        await ask(takes=1.5)
    with turn.stage("pay"):
        await ask(STRIPE, takes=0.5)
    await ask(takes=2.0)


def test_each_call_is_a_span_of_its_stage_and_without_one_of_its_provider() -> None:
    seen = play(buy)
    assert seen.stages() == [("intent", 0.0, 1.5), ("pay", 1.5, 2.0), ("openai", 2.0, 4.0)]
    assert [(of.provider, of.status, of.attempt) for of in seen.spans] == [
        ("openai", 200, 1),
        ("stripe", 200, 1),
        ("openai", 200, 1),
    ]
    assert (seen.flow.outcome, seen.flow.response_ms, seen.flow.calls) == ("ok", 4000.0, 3)
    assert all(of.critical for of in seen.spans)
    assert [of.injected_ms for of in seen.spans] == [1500.0, 500.0, 2000.0]


def test_calls_are_drawn_by_stage_and_attempt_so_that_another_call_moves_no_luck() -> None:
    async def more(turn: OwnTurn) -> None:
        with turn.stage("search"):
            await ask()
        with turn.stage("pay"):
            await ask(STRIPE)
            await ask(STRIPE)

    async def less(turn: OwnTurn) -> None:
        with turn.stage("pay"):
            await ask(STRIPE)
            await ask(STRIPE)

    servers = Servers(), Servers()
    for function, of in zip((more, less), servers, strict=True):
        play(function, of, turns=2, round_=3)
    drawn = [sorted(msgspec.structs.astuple(key) for key in of.draws if key) for of in servers]
    paid = [(3, n, 0, "pay", attempt) for n in (0, 1) for attempt in (1, 2)]
    assert drawn[1] == paid
    assert drawn[0] == sorted([*paid, (3, 0, 0, "search", 1), (3, 1, 0, "search", 1)])


def test_a_turn_tells_its_strategy_user_and_luck() -> None:
    told: list[tuple[str, str, int, float]] = []

    async def look(turn: OwnTurn) -> None:
        told.append((turn.strategy.name, turn.user, turn.conversation, turn.draw("size")))

    for strategy in (Strategy(), Strategy(prewarm=True)):
        play(look, turns=2, strategy=strategy)
    plain, warm = told[:2], told[2:]
    assert [of[0] for of in told] == ["baseline"] * 2 + ["prewarm"] * 2
    assert [of[1:] for of in plain] == [of[1:] for of in warm]
    assert plain[0][1:3] == ("r0a0c0", 0) and plain[0][3] != plain[1][3]


async def returns(turn: OwnTurn) -> Outcome:
    return "paid"


async def sets(turn: OwnTurn) -> None:
    turn.outcome = "declined"


async def sets_and_returns(turn: OwnTurn) -> Outcome:
    turn.outcome = "declined"
    return "refunded"


async def returns_something_else() -> dict[str, int]:
    return {"order": 7}


async def returns_a_number() -> str:
    return "order-7"


async def returns_an_array() -> object:
    return np.zeros(2)


@pytest.mark.parametrize(
    ("function", "outcome"),
    [
        (returns, "paid"),
        (sets, "declined"),
        (sets_and_returns, "refunded"),
        (returns_something_else, "ok"),
        (returns_a_number, "ok"),
        (returns_an_array, "ok"),
    ],
)
def test_a_turn_ends_as_the_function_says(function: OwnFlow, outcome: Outcome) -> None:
    assert play(function).flow.outcome == outcome


def test_an_outcome_that_does_not_exist_is_refused_at_the_line_that_sets_it() -> None:
    async def wrong(turn: OwnTurn) -> None:
        turn.outcome = "payed"  # type: ignore[assignment]  # a slip that a type checker would see

    with pytest.raises(ValueError, match="no turn ends 'payed': take one of paid, ordered"):
        play(wrong)


class Callable_:
    async def __call__(self, turn: OwnTurn) -> None:
        with turn.stage("called"):
            await ask()


def test_an_object_that_is_called_is_a_function_too() -> None:
    assert play(Callable_()).stages() == [("called", 0.0, 1.0)]


def _plain(turn: OwnTurn) -> None: ...


async def _two(turn: OwnTurn, shop: str) -> None: ...


async def _by_name(*, turn: OwnTurn) -> None: ...


async def _one_and_more(turn: OwnTurn, shop: str = "", *more: int) -> None: ...


@pytest.mark.parametrize(
    ("thing", "wrong"),
    [
        (_plain, "_plain is no async function: begin it with `async def`"),
        (_two, "_two takes 2 arguments: it may take one, the turn, or none"),
        (OwnTurn, "OwnTurn is no function: give an async function of one turn, or of nothing"),
        (partial(partial(_plain), 1), "_plain is no async function: begin it with `async def`"),
        (partial(buy), ""),
        (7, "7 is no function: give an async function of one turn, or of nothing"),
        (_by_name, "_by_name takes 'turn' by name only: take the turn as `async def f(turn)`"),
        (_one_and_more, ""),
        (buy, ""),
        (returns_something_else, ""),
    ],
)
def test_what_cannot_be_played_is_told_with_the_mend(thing: object, wrong: str) -> None:
    assert what_is_wrong(thing) == wrong


def test_the_turn_is_given_to_who_asks_for_it_and_never_in_place_of_something_else() -> None:
    got: list[object] = []

    async def with_a_client(client: object = None) -> None:
        got.append(client)

    async def of_any_number(*given: object) -> None:
        got.extend(type(of) for of in given)

    for function in (with_a_client, of_any_number):
        play(function)
    assert got == [None, OwnTurn]


def test_what_cannot_be_played_is_not() -> None:
    with pytest.raises(BadFlow, match="no async function"):
        play(_plain)  # type: ignore[arg-type]  # that is the mistake


def test_a_client_may_outlive_the_loop_that_it_was_first_used_in() -> None:
    kept = httpx.AsyncClient(timeout=60.0)

    async def function(turn: OwnTurn) -> None:
        await kept.post(OPENAI, json={})

    assert [play(function, round_=n).flow.response_ms for n in range(3)] == [1000.0] * 3


def test_outside_of_turns_nothing_is_rerouted_and_afterwards_nothing_is_patched() -> None:
    before = httpx.AsyncHTTPTransport.handle_async_request, random.getstate()
    play(buy)
    assert (httpx.AsyncHTTPTransport.handle_async_request, random.getstate()) == before
    assert current_turn() is None


def test_a_function_meets_the_same_times_in_every_run() -> None:
    rows: list[object] = []
    for _ in range(3):
        seen = play(buy, turns=20)
        rows.append((seen.flows, seen.spans))
    assert rows[0] == rows[1] == rows[2]
