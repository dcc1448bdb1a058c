"""Stages of a user's function: which calls and which time are theirs, and what they are called."""

import asyncio

import httpx
import pytest

from harness.flow.flow import NOTIFY
from harness.flow.own import OwnTurn
from harness.flow.own_function import OwnFlow
from harness.flow.routing import BadFlow
from harness.stats.critical_path import APPROVE
from harness.stats.slo import read_slos
from tests.flow.own_turns import OPENAI, STRIPE, Servers, ask, play


def test_the_innermost_stage_has_the_call_and_the_one_around_it_the_next() -> None:
    async def nested(turn: OwnTurn) -> None:
        with turn.stage("outer"):
            with turn.stage("inner"):
                await ask()
            await ask()

    assert play(nested).stages() == [("inner", 0.0, 1.0), ("outer", 1.0, 2.0)]


def test_calls_of_tasks_that_run_side_by_side_keep_their_stages() -> None:
    async def leg(turn: OwnTurn, name: str, takes: float) -> None:
        with turn.stage(name):
            await ask(takes=takes)
            await ask(takes=1.0)

    async def both(turn: OwnTurn) -> None:
        with turn.stage("around"):
            async with asyncio.TaskGroup() as group:
                group.create_task(leg(turn, "slow", 3.0))
                group.create_task(leg(turn, "fast", 1.0))
                group.create_task(ask(takes=0.5))

    seen = play(both)
    assert sorted(seen.stages()) == [
        ("around", 0.0, 0.5),
        ("fast", 0.0, 1.0),
        ("fast", 1.0, 2.0),
        ("slow", 0.0, 3.0),
        ("slow", 3.0, 4.0),
    ]
    critical = {(of.stage, of.attempt) for of in seen.spans if of.critical}
    assert critical == {("slow", 1), ("slow", 2)}


def test_a_stage_without_a_call_is_a_local_step() -> None:
    async def think(turn: OwnTurn) -> None:
        with turn.stage("rules"):
            await turn.sleep(0.25)
            await asyncio.sleep(0.25)

    seen = play(think)
    assert seen.stages() == [("rules", 0.0, 0.5)]
    assert (seen.spans[0].provider, seen.flow.calls, seen.flow.response_ms) == ("", 0, 500.0)


def test_what_a_stage_does_between_its_calls_is_told_as_the_stage_s_own() -> None:
    async def pay(turn: OwnTurn) -> None:
        with turn.stage("pay"):
            await turn.sleep(0.25)
            await ask(takes=1.0)
            await turn.sleep(0.5)
            with turn.stage("check"):
                await ask(takes=2.0)
            await ask(takes=1.0)
            await turn.sleep(0.125)

    seen = play(pay)
    assert sorted(seen.stages(), key=lambda of: of[1]) == [
        ("pay", 0.0, 0.25),
        ("pay", 0.25, 1.25),
        ("pay", 1.25, 1.75),
        ("check", 1.75, 3.75),
        ("pay", 3.75, 4.75),
        ("pay", 4.75, 4.875),
    ]
    assert seen.flow.calls == 3 and all(of.critical for of in seen.spans)


def _staged(name: str) -> OwnFlow:
    async def staged(turn: OwnTurn) -> None:
        with turn.stage(name):
            await ask()

    return staged


@pytest.mark.parametrize(
    "name", ["", "two words", "a\n", "x" * 201, "zahlung\u00e4", "pay:card", "3ds", "own time"]
)
def test_a_stage_has_a_name_that_a_promise_can_be_about(name: str) -> None:
    with pytest.raises(BadFlow, match="no name of a stage: begin it with a letter"):
        play(_staged(name))


@pytest.mark.parametrize("name", ["pay", "a", "pay/card-1_x.y", "x" * 200, "errors", "p95"])
def test_a_promise_can_be_about_every_stage_that_may_be(name: str) -> None:
    assert play(_staged(name)).stages() == [(name, 0.0, 1.0)]
    (promise,) = read_slos(f"{name} p95 < 1s")
    assert promise.stage == name


@pytest.mark.parametrize("name", [APPROVE, NOTIFY])
def test_a_stage_that_the_statistics_take_for_something_else_is_refused(name: str) -> None:
    with pytest.raises(BadFlow, match=f"is called '{name}': .*; take another name"):
        play(_staged(name))


def test_so_is_a_host_of_such_a_name_that_is_called_outside_of_stages() -> None:
    async def tell() -> None:
        await ask("http://notify/")

    with pytest.raises(BadFlow, match="or make the call to that host in a stage"):
        play(tell, others={"notify": httpx.MockTransport(lambda request: httpx.Response(200))})


def test_a_stage_is_told_of_as_what_the_turn_waited_for_though_its_stream_is_left_open() -> None:
    async def first_token(turn: OwnTurn) -> None:
        client = httpx.AsyncClient(timeout=60.0)
        with turn.stage("intent"):
            answer = await client.send(client.build_request("POST", OPENAI, json={}), stream=True)
            pieces = answer.aiter_raw()
            await anext(pieces)
        with turn.stage("pay"):
            await ask(STRIPE)
        kept.append(pieces)

    kept: list[object] = []
    seen = play(first_token, Servers(pieces=((0.5, b"a"), (9.0, b"b"))))
    told = [(of.stage, of.provider, of.critical) for of in seen.spans]
    assert told[0] == ("intent", "", True) and told[1] == ("intent", "openai", False)
    assert seen.stages()[0] == ("intent", 0.0, 0.5)
