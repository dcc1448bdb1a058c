"""Whose call it is that comes to an address of a turn: which stage it is of where nobody knows its
task, and that an address leads nowhere but into its own turn, while that lasts.
"""

import httpx
import pytest

from harness.flow.own_door import Door, shared_stage
from harness.flow.own_stage import Stage
from harness.flow.routing import BadFlow, Routes
from tests.flow.own_turns import AT

OUTER = Stage("outer", None, 0.0)
LEFT, RIGHT = Stage("left", OUTER, 1.0), Stage("right", OUTER, 1.0)
DEEP = Stage("deep", LEFT, 2.0)
ALONE = Stage("alone", None, 0.0)


@pytest.mark.parametrize(
    ("open_ones", "asked_in", "found"),
    [
        ([], None, None),
        ([OUTER], None, OUTER),
        ([OUTER, LEFT, DEEP], None, DEEP),
        ([OUTER, LEFT, RIGHT], None, OUTER),  # either may be meant: what is around both
        ([OUTER, LEFT, DEEP, RIGHT], None, OUTER),
        ([OUTER, ALONE], None, None),
        ([OUTER, LEFT, RIGHT], RIGHT, RIGHT),  # it was asked for there
        ([OUTER, LEFT, DEEP, RIGHT], LEFT, DEEP),
        ([OUTER, LEFT, RIGHT], OUTER, OUTER),
        ([OUTER, LEFT], RIGHT, LEFT),  # over by now, so that it says nothing
        ([OUTER, ALONE], ALONE, ALONE),
    ],
)
def test_a_call_is_of_the_innermost_stage_that_it_must_be_in(
    open_ones: list[Stage], asked_in: Stage | None, found: Stage | None
) -> None:
    assert shared_stage(open_ones, asked_in) is found
    assert shared_stage(open_ones[::-1], asked_in) is found


def test_stages_of_one_name_are_not_taken_for_each_other() -> None:
    twin = Stage("left", OUTER, 1.0)
    assert twin == LEFT
    assert shared_stage([OUTER, LEFT, twin], None) is OUTER
    assert shared_stage([OUTER, LEFT, twin], twin) is twin


def test_an_address_of_no_open_turn_is_a_mistake_that_is_kept() -> None:
    door = Door("http://127.0.0.1:1")
    with pytest.raises(BadFlow, match=r"ask turn\.endpoint\(\.\.\.\) for it in each turn"):
        door.come("/~gone.0/openai/v1/models")
    assert door.mistake is not None


def test_a_client_that_lets_go_of_the_path_of_its_base_url_is_told_so() -> None:
    door = Door("http://127.0.0.1:1")
    with pytest.raises(BadFlow, match=r"came to /v1/charges, .*give it all of turn\.endpoint"):
        door.come("/v1/charges?key=secret")
    assert "secret" not in str(door.mistake)


@pytest.mark.parametrize(
    "path", ["/openai/v1/chat/completions", "/stripe/v1/payment_intents?expand[]=a", "/gemini/x"]
)
def test_what_is_below_an_address_is_below_the_mock_s_own(path: str) -> None:
    routes, door = (
        Routes(AT, httpx.MockTransport(lambda _: httpx.Response(200))),
        Door("http://d:1"),
    )
    there = httpx.URL(f"http://d:1/~a.0{path}")
    assert door.is_at(there)
    assert (
        httpx.URL(routes.behind(door.behind(there))).raw_path
        == httpx.URL(f"http://mocks{path}").raw_path
    )
    with pytest.raises(BadFlow, match="there is no mock of 'nobody'"):
        routes.behind("/nobody/v1")


def test_every_provider_is_below_an_address_as_it_is_below_the_mocks() -> None:
    routes = Routes(AT, httpx.MockTransport(lambda _: httpx.Response(200)))
    found = routes.below("http://d:1/~a.0")
    assert found["openai"].base_url == "http://d:1/~a.0/openai/v1"
    assert found["stripe"].base_url == "http://d:1/~a.0/stripe"
    assert {name: of.key for name, of in found.items()} == {name: of.key for name, of in AT.items()}
