"""Flow latencies in pytest-benchmark's own table; it only replays, and never measures.

A test runs a flow on the virtual clock, where a turn's seconds are exact and free of the machine's
noise, and hands them to `flow_benchmark`: pytest-benchmark then reads them off a clock that only
they move, so its table, its JSON and its comparisons work on flows as on any function.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import pytest

FlowBenchmark = Callable[[Sequence[float]], None]


class _Benchmark(Protocol):
    """What is used of pytest-benchmark's fixture."""

    extra_info: dict[str, object]

    def pedantic(self, target: Callable[[], None], *, rounds: int, iterations: int) -> object: ...


class ReplayClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def flow_benchmark(request: pytest.FixtureRequest, benchmark: _Benchmark) -> FlowBenchmark:
    """Call it with the seconds of each turn: every turn becomes one round of the benchmark."""
    clock = request.node.get_closest_marker("benchmark").kwargs["timer"]

    def replay(seconds: Sequence[float]) -> None:
        turns = iter(seconds)

        def turn() -> None:
            clock.now += next(turns)

        benchmark.pedantic(turn, rounds=len(seconds), iterations=1)
        benchmark.extra_info.update(_percentiles_ms(seconds))

    return replay


def _percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    # pytest loads this plugin in every session of its environment; numpy can wait until it is used.
    import numpy as np

    from harness.stats.quantiles import quantile

    ordered = np.sort(np.asarray(seconds, dtype=np.float64)) * 1e3
    return {f"p{p}_ms": quantile(ordered, p / 100) for p in (50, 95, 99)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "flow_benchmark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=ReplayClock()))
