"""Every strategy of every story on the virtual clock, held to its baseline to the microsecond.

`make latency` plays them all and shows pytest-benchmark's table; `make baseline` writes what they
are held to. The default run of the tests holds two of them to it, `make thorough` the others.
"""

from pathlib import Path

import pytest

from harness.flow.strategy import all_strategies
from harness.pytest_plugin import AssertLatency, FlowBenchmark
from scenarios import SCENARIOS

BASELINES = Path(__file__).parents[2] / "results" / "baseline" / "flows"
STRATEGIES = [strategy.name for strategy in all_strategies()]
TURNS = 400


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=pytest.mark.benchmark(group=name)) for name in SCENARIOS]
)
def test_flow(
    scenario: str, strategy: str, flow_benchmark: FlowBenchmark, assert_latency: AssertLatency
) -> None:
    turns = flow_benchmark(scenario, strategy=strategy, turns=TURNS)
    assert_latency(turns, baseline=BASELINES)


def test_every_baseline_is_of_a_flow_that_there_is() -> None:
    kept = {path.relative_to(BASELINES).with_suffix("") for path in BASELINES.rglob("*.json")}
    assert kept == {Path(scenario, strategy) for scenario in SCENARIOS for strategy in STRATEGIES}
