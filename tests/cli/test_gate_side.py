"""One side of a gate: what it plays, and when; nothing is played here."""

import httpx
import msgspec
import pytest

from harness.cli.exits import BadInput
from harness.cli.gate_flow import ToldScenario, find, setup_of, told_of
from harness.cli.gate_lines import PROTOCOL, SIDES
from harness.cli.gate_side import plan_of, read_ask
from harness.clock import RealClock
from harness.flow.flow import Chat, Flow, World
from harness.flow.model import Outage
from harness.load.engine import Arm, Due
from tests.cli.gate_doubles import ask

RATE = 20.0


async def _nothing(of: Flow | Chat) -> None: ...


def _arm(name: str = "prewarm") -> Arm:
    nowhere = httpx.MockTransport(lambda request: httpx.Response(404))
    world = World(RealClock(), nowhere, 1, 0, True)
    return Arm(name, world, _nothing, _nothing)


def _both(seed: int = 1, round_: int = 0) -> dict[str, list[Due]]:
    arm = _arm()
    plans = {
        side: plan_of(side, arm, seed, round_, turns=41, turns_each=2, rate=RATE) for side in SIDES
    }
    assert len({plan.digest for plan in plans.values()}) == 1
    return {side: plan.own for side, plan in plans.items()}


def test_each_conversation_comes_to_both_sides_half_a_gap_apart() -> None:
    base, head = (sorted(own, key=lambda due: due.conversation) for own in _both().values())
    half_a_gap = 2 / RATE
    assert len(base) == len(head) == 21
    for ours, theirs in zip(base, head, strict=True):
        assert (ours.conversation, ours.turns) == (theirs.conversation, theirs.turns)
        assert abs(ours.when - theirs.when) == pytest.approx(half_a_gap)


def test_which_side_is_first_is_a_coin_that_the_seed_throws() -> None:
    def first(seed: int) -> list[bool]:
        base, head = (sorted(own, key=lambda due: due.conversation) for own in _both(seed).values())
        return [ours.when < theirs.when for ours, theirs in zip(base, head, strict=True)]

    assert 5 <= sum(first(1)) <= 16
    assert first(1) == first(1) != first(2)


def test_its_rows_have_the_strategys_name_and_its_users_are_those_of_the_other_side() -> None:
    base, head = _both().values()
    assert {due.arm.name for due in [*base, *head]} == {"prewarm"}
    assert {due.user for due in base} == {due.user for due in head}


def test_another_schedule_has_another_digest() -> None:
    arm = _arm()
    digests = {
        plan_of("base", arm, seed, round_, turns=40, turns_each=2, rate=RATE).digest
        for seed, round_ in ((1, 0), (1, 1), (2, 0))
    }
    assert len(digests) == 3


def test_a_gate_that_speaks_another_protocol_is_refused_before_anything_is_read() -> None:
    line = msgspec.json.encode({"protocol": PROTOCOL + 1, "side": "north"})
    with pytest.raises(BadInput, match="install one version of tollbench for both"):
        read_ask(line)
    assert read_ask(msgspec.json.encode(ask())) == ask()


@pytest.mark.parametrize("flow", ["conversation", "failover", "refund"])
def test_the_gate_has_the_mocks_for_a_scenario_by_what_its_side_tells_of_it(flow: str) -> None:
    asked = ask(flow=flow, parameters=["turns=3"] if flow == "conversation" else [])
    found = find(asked)
    told = told_of(found, asked, own_code=False)
    assert told.turns_each == found.setup.scenario.turns
    assert setup_of(asked, ToldScenario.of(told)).mocks == found.setup.mocks
    assert bool(told.outages) == (flow == "failover")
    assert all(isinstance(of, Outage) for of in ToldScenario.of(told).outages)


def test_a_function_has_all_mocks_at_its_call_and_no_parameters() -> None:
    setup = setup_of(ask(flow="shop.py::buy", pay="stripe-list"))
    assert {"stripe", "wechat-ai"} <= setup.mocks.pay.keys()
    assert (setup.scenario.turns, setup.think_scale) == (1, 1.0)
    with pytest.raises(BadInput) as told:
        setup_of(ask(flow="shop.py::buy", parameters=["a=1"], fallback="gpt-4o", rate="0"))
    assert [problem.split(" ")[0] for problem in told.value.problems] == [
        "--set", "--fallback", "--rate",
    ]  # fmt: skip
