"""The eight strategies on the virtual clock, as `pytest --benchmark-only` shows them."""

import pytest

from harness.cli.problems import Problems
from harness.cli.rounds import one_virtual_round
from harness.cli.setup import Options, checked
from harness.flow.strategy import all_strategies
from harness.pytest_plugin import FlowBenchmark
from harness.record import Rows

STRATEGIES = [strategy.name for strategy in all_strategies()]
TURNS = 200


@pytest.fixture(scope="module")
def rows() -> Rows:
    setup = checked(Options(), Problems(), all_strategies(), turns=TURNS)
    return one_virtual_round(setup, 0).rows


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_turn(strategy: str, rows: Rows, flow_benchmark: FlowBenchmark) -> None:
    seconds = [flow.response_ms / 1e3 for flow in rows.flows if flow.variant == strategy]
    assert len(seconds) == TURNS
    flow_benchmark(seconds)
