"""The fixture `flow_benchmark` where pytest-benchmark is missing; it only says so."""

from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin import FlowBenchmark

if TYPE_CHECKING:
    from harness.cli.played import Played

__tracebackhide__ = True


@pytest.fixture
def flow_benchmark() -> FlowBenchmark:
    """Fails: there is no table to make a row of."""

    def refuse(flow: object, **options: object) -> "Played":
        pytest.fail(
            "flow_benchmark needs pytest-benchmark: pip install 'tollbench[ci]', or play_flow, "
            "which needs none",
            pytrace=False,
        )

    return refuse
