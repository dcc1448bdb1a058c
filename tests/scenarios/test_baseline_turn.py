"""The default scenario reproduces what it is a model of: the article's three to five seconds."""

import pytest

from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.flow.strategy import Strategy
from harness.record import FlowRow

DEFAULTS = Options()


@pytest.fixture(scope="module")
def turns() -> list[FlowRow]:
    setup = checked(DEFAULTS, Problems(), [Strategy()], turns=1000)
    return one_virtual_round(setup, 0).rows.flows


def test_the_baseline_p50_lies_within_three_to_five_seconds(turns: list[FlowRow]) -> None:
    responses = sorted(turn.response_ms for turn in turns)
    assert 3000 <= responses[len(responses) // 2] <= 5000


def test_four_baseline_turns_of_five_lie_within_three_to_five_seconds(
    turns: list[FlowRow],
) -> None:
    within = sum(3000 <= turn.response_ms <= 5000 for turn in turns)
    assert within / len(turns) >= 0.80


def test_the_baseline_opens_a_fresh_session_for_every_payment(turns: list[FlowRow]) -> None:
    assert {turn.calls for turn in turns} == {4}
    assert all(turn.cold for turn in turns)


def test_a_session_opened_after_a_wasted_warm_meets_the_delay_of_the_baseline() -> None:
    both = [Strategy(), Strategy(prewarm=True)]
    setup = checked(DEFAULTS, Problems(), both, turns=200)
    rows = one_virtual_round(setup, 0).rows
    used = {
        (span.variant, span.conversation, span.turn): span.injected_ms
        for span in sorted(rows.spans, key=lambda span: span.end_s)
        if span.stage == "session"
    }
    wasted = [flow for flow in rows.flows if flow.wasted_prewarms]
    assert wasted
    for flow in wasted:
        place = (flow.conversation, flow.turn)
        assert used["prewarm", *place] == used["baseline", *place]
