"""Python's own luck, by which clients wait before a retry, is that of the turn and of no other."""

import asyncio
import random

import httpx

from harness.flow.own import OwnTurn
from harness.flow.own_function import OwnFlow
from tests.flow.own_turns import OPENAI, Servers, ask, play


def _lucky() -> list[float]:
    async def drawn() -> None:
        got.append(random.random())

    got: list[float] = []
    play(drawn, turns=3)
    return got


def test_python_s_own_luck_is_the_same_in_every_run_of_a_round() -> None:
    first = _lucky()
    random.seed(7)
    assert _lucky() == first and len(set(first)) == 3


def _retrying(extra: int) -> OwnFlow:
    """Each turn waits by its luck after calls that fail; the first one has so many calls more."""

    async def function(turn: OwnTurn) -> None:
        with turn.stage("intent"):
            for status in (503, 503, 200):
                await ask(status=status)
                await asyncio.sleep(random.random())
        if turn.conversation == 0:
            with turn.stage("extra"):
                for _ in range(extra):
                    await ask(status=503)
                    await asyncio.sleep(random.random())

    return function


def test_another_call_in_one_turn_moves_the_waits_of_no_other() -> None:
    """Turns overlap: they begin about a second after each other, and take some five."""
    less, more = (play(_retrying(extra), turns=20).flows for extra in (0, 2))
    took = [{of.conversation: of.response_ms for of in flows} for flows in (less, more)]
    assert {n for n in took[0] if took[0][n] != took[1][n]} == {0}
    assert len(set(took[0].values())) == 20


def test_luck_is_that_of_the_call_also_after_a_body_that_comes_later_or_is_cut() -> None:
    got: dict[int, list[float]] = {}

    async def function(turn: OwnTurn) -> None:
        mine = got.setdefault(turn.conversation, [])
        async with httpx.AsyncClient(timeout=60.0) as client:
            await client.post(OPENAI, json={})  # whose body comes in pieces
            mine.append(random.random())
            async with client.stream("POST", OPENAI, json={}):
                await asyncio.sleep(random.random())
            mine.append(random.random())
            try:
                async with asyncio.timeout(1.5):
                    await client.post(OPENAI, json={})
            except TimeoutError:
                mine.append(random.random())

    pieces = ((0.5, b"a"), (1.0, b"b"), (2.5, b"c"))
    play(function, Servers(pieces=pieces), turns=20)
    together = dict(got)
    got.clear()
    play(function, Servers(pieces=pieces), turns=1)
    assert got[0] == together[0] and len({*map(tuple, together.values())}) == 20
