"""Flows of every kind, played from a user's own project; what cannot be played says what to do."""

from pathlib import Path

import pytest

from harness.cli.exits import BadInput
from harness.cli.played import Asked, Kept, play
from scenarios.checkout import Checkout
from tests.pytest_plugin.session import SHOP, SMALL, User, errors

pytest_plugins = ["pytester"]

TIPPING = """
from dataclasses import dataclass
from harness.flow.agent import Agent
from harness.flow.flow import Chat
from harness.flow.wish import Wish

@dataclass(frozen=True, kw_only=True)
class TippedMeal:
    turns: int = 2
    usual_method: str = "balance"
    tip_minor: int = 100

    async def run(self, chat: Chat, agent: Agent) -> None:
        for _ in range(chat.turns):
            await agent.pay(chat, Wish(self.tip_minor, "CNY", "noodles", self.usual_method))
"""


def test_scenarios_and_functions_of_ones_own_are_flows(user: User) -> None:
    user.write(tipped_meal=TIPPING, shop=SHOP)
    user.write(
        test_it=f"""
from shop import buy
from tipped_meal import TippedMeal

def test_it(play_flow):
    flows = TippedMeal, TippedMeal(tip_minor=200), "tipped_meal.py", buy, "shop.py::buy"
    found = [play_flow(flow, {SMALL}) for flow in flows]
    assert [one.name for one in found] == ["tipped_meal/baseline"] * 3 + ["buy/baseline"] * 2
    assert all(one.figures.turns == 20 and not one.figures.failed for one in found)
    assert set(found[3].figures.critical_ms) == {{"intent", "pack"}}
    assert found[1].columns.turns.amount_minor.tolist() == [200] * 20
    named = play_flow(buy, {SMALL}, name="shop/slow", strategy="prewarm+token_cache")
    assert named.name == "shop/slow/prewarm+token_cache"
"""
    )
    user.run().assert_outcomes(passed=1)


def test_what_a_function_meets_hangs_on_the_seed_alone(user: User) -> None:
    user.write(
        shop=SHOP,
        test_it=f"""
import shop

def test_it(play_flow):
    first, again = (play_flow(shop.buy, {SMALL}).times.answered_ms.tolist() for _ in "ab")
    assert first == again
    assert first != play_flow(shop.buy, {SMALL}, seed=2).times.answered_ms.tolist()
    shop.PACK_S += 0.25
    slower = play_flow(shop.buy, {SMALL}).times.answered_ms.tolist()
    assert [round(b - a, 3) for a, b in zip(first, slower)] == [250.0] * 20
""",
    )
    user.run().assert_outcomes(passed=1)


def test_a_bug_in_a_function_is_shown_at_its_line_and_not_in_a_loop(user: User) -> None:
    user.write(
        test_it=f"""
async def buggy(turn):
    await turn.sleep(1.0)
    total = {{}}["total"]

def test_it(play_flow):
    play_flow(buggy, {SMALL})
"""
    )
    result = user.run()
    result.assert_outcomes(failed=1)
    assert errors(result) == ["KeyError: 'total'"]
    assert '>       total = {}["total"]' in result.outlines
    for loop in ("*Group*", "*harness/*", "*asyncio*"):
        result.stdout.no_fnmatch_line(loop)


MISTAKES = {
    "play_flow('nowhere', strategy='fast', seed=-1, pay='x')": [
        "strategy: unknown mitigation 'fast'; take prewarm, token_cache, parallel_confirm",
        "seed must be a whole number from 0 to *, not '-1'",
        "unknown scenario 'nowhere': take checkout, *",
        "pay: unknown profile 'x': *",
    ],
    "play_flow('conversation', turns=3, rounds=4)": ["turns=3 cannot be spread over rounds=4: *"],
    "play_flow('conversation', turn=3)": ["there is no option turn; there are strategy, turns, *"],
    "play_flow('conversation', parameters={'turnz': 3})": ["parameters: no parameter 'turnz'; *"],
    "play_flow('conversation', name='../up')": ["name must be of letters, digits *"],
    "play_flow('conversation', strategy=['prewarm'], parameters='a=1', name=5, pay=['stripe'])": [
        "strategy must be text, *, as \"prewarm+token_cache\", not *'prewarm'*",
        "parameters must be a dict *, not 'a=1'",
        "pay must be text, as \"stripe\", not *'stripe'*",
        "name must be text, not 5",
    ],
    "play_flow('conversation', strategy=None, gateway=True, parameters=None, fallback=5)": [
        "strategy must be text, *, not None",
        "parameters must be a dict *, not None",
        "fallback must be text, *, not 5",
        "gateway must be text, *, not True",
    ],
    "play_flow(far, profiles='stripe', others=None)": [
        "profiles must be a list of names, as *, not 'stripe'",
        "others must be a dict of transports *, not None",
    ],
    "play_flow(far, profiles=[5], others={'shop.example': 5})": [
        "profiles must be a list of names, as *, not *5*",
        "others must be a dict of transports *, not {'shop.example': 5}",
    ],
    "play_flow(far, profiles=None)": ["profiles must be a list of names, as *, not None"],
    "play_flow(stuck, turns=20)": ["*an event that nobody will set*"],
    "play_flow(outside, turns=20)": ["* opens a connection to localhost: *"],
    "play_flow('conversation', profiles=['flat'])": ["profiles is for functions of your own: *"],
    "play_flow(far, gateway='litellm', capacity=3)": [
        "gateway is for scenarios: leave it out",
        "capacity is for scenarios: leave it out",
    ],
    "play_flow(far, turns=20)": ["a call goes to example.org, *others=*"],
    "play_flow(print)": ["print is no flow: give a scenario's name, *"],
    "play_flow('test_it.py::nothing')": [
        "* has no 'nothing'; its async functions are: far, stuck, outside, inside"
    ],
    "asyncio.run(inside(play_flow))": ["flows are played on a loop of their own: *"],
}


def test_mistakes_are_told_all_at_once_in_the_words_of_the_call(user: User) -> None:
    tests = [f"def test_{n}(play_flow):\n    {call}\n" for n, call in enumerate(MISTAKES)]
    start = """
import asyncio, httpx

async def far(turn):
    async with httpx.AsyncClient() as client:
        await client.get("https://example.org/")

async def stuck(turn):
    await asyncio.Event().wait()

async def outside(turn):
    await asyncio.open_connection("localhost", 9)

async def inside(play_flow):
    play_flow("conversation")

"""
    user.write(test_it=start + "\n".join(tests))
    result = user.run()
    result.assert_outcomes(failed=len(MISTAKES))
    result.stdout.fnmatch_lines([line for lines in MISTAKES.values() for line in lines])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*--*=*")


def test_what_cannot_be_believed_fails_the_test_and_says_why(user: User) -> None:
    user.write(
        test_it=f"""
import httpx

async def gone(turn):
    raise httpx.ConnectError("nobody is there")

def test_it(play_flow):
    play_flow(gone, {SMALL})
"""
    )
    result = user.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["gone/baseline cannot be believed: every turn failed*"])


def test_shipped_scenarios_are_played_once_and_own_ones_each_time() -> None:
    kept = Kept()
    asked = Asked(flow="checkout", turns=10, rounds=5)
    first = play(asked, kept)
    assert play(asked, kept) is first
    assert play(Asked(flow=Checkout(), turns=10, rounds=5), kept) is first
    assert play(Asked(flow="checkout", turns=10, rounds=5, seed=2), kept) is not first
    assert play(Asked(flow=_Own(), turns=10, rounds=5), kept) is not first


class _Own(Checkout):
    """A scenario that is not shipped."""


def test_a_scenario_object_takes_no_parameters_beside_it() -> None:
    with pytest.raises(BadInput) as refused:
        play(Asked(flow=Checkout(), parameters={"turns": 1}))
    assert refused.value.problems == [
        "parameters is for a scenario's name or class: set them in the object itself"
    ]


def test_paths_begin_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "meals").mkdir()
    (tmp_path / "meals" / "tipped.py").write_text(TIPPING)
    played = play(Asked(flow="meals/tipped.py", turns=10, rounds=5, root=tmp_path))
    assert played.name == "tipped/baseline"
    assert str(tmp_path) not in str(played.settings)
