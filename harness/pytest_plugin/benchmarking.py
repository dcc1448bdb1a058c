"""The fixture `flow_benchmark`: a flow's turns as a row of pytest-benchmark's table; it replays
what was played, and times nothing.

pytest-benchmark reads the turns off a clock that only they move, one turn a round, so that its
table, its JSON and its comparisons work on flows as on any function.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

import pytest

from harness.pytest_plugin import FlowBenchmark
from harness.pytest_plugin.playing import player

if TYPE_CHECKING:
    from harness.cli.played import Played

__tracebackhide__ = True


class _Benchmark(Protocol):
    """What is used of pytest-benchmark's fixture."""

    extra_info: dict[str, object]
    skipped: bool

    def pedantic(
        self,
        target: Callable[[], None],
        *,
        setup: Callable[[], None],
        rounds: int,
        iterations: int,
    ) -> object: ...


GROUP = "flows on the virtual clock"
"""Not in one table with what the machine took."""


class ReplayClock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """The clock goes to pytest-benchmark in the marker that it looks for, beside what is in the
    user's own."""
    if "flow_benchmark" in getattr(item, "fixturenames", ()):
        theirs = item.get_closest_marker("benchmark")
        given = theirs.kwargs if theirs else {}
        options = {"group": GROUP, **given, "timer": ReplayClock()}
        item.add_marker(pytest.mark.benchmark(**options), append=False)


@pytest.fixture
def flow_benchmark(
    request: pytest.FixtureRequest, benchmark: _Benchmark
) -> Iterator[FlowBenchmark]:
    """Play a flow on the virtual clock and return its turns; they are a row of pytest-benchmark's
    table too. Once a test."""
    play = player(request)
    replayed: list[Played] = []
    begun = False

    def play_and_replay(flow: object, **options: object) -> "Played":
        nonlocal begun
        begun = True
        if replayed:
            pytest.fail(
                "flow_benchmark makes one row a test: play the other flows by play_flow",
                pytrace=False,
            )
        clock = _clock_of(request)
        played = play(flow, **options)  # type: ignore[arg-type]  # they are checked where they go
        _replay(benchmark, clock, played)
        replayed.append(played)
        return played

    yield play_and_replay
    if begun and not replayed:
        # It failed, and is not to be blamed for an unused fixture as well.
        benchmark.skipped = True


def _clock_of(request: pytest.FixtureRequest) -> ReplayClock:
    marker = request.node.get_closest_marker("benchmark")
    clock = marker.kwargs.get("timer") if marker else None
    if not isinstance(clock, ReplayClock):
        pytest.fail(
            "flow_benchmark must be among the arguments of the test or of its fixtures: "
            "getfixturevalue comes too late",
            pytrace=False,
        )
    return clock


def _replay(benchmark: _Benchmark, clock: ReplayClock, played: "Played") -> None:
    answered_ms = played.times.answered_ms
    seconds = [ms / 1e3 for ms in answered_ms.tolist() if ms < float("inf")]
    turns = iter(seconds)

    def rewind() -> None:
        # A difference from zero is exact.
        clock.now = 0.0

    def turn() -> None:
        # A profiler has it turn again when there are no more.
        clock.now += next(turns, 0.0)

    benchmark.pedantic(turn, setup=rewind, rounds=len(seconds), iterations=1)
    benchmark.extra_info.update(extra_info(played))


def extra_info(played: "Played") -> dict[str, object]:
    """What pytest-benchmark's figures do not tell; ms. `settings` is the same for flows that were
    played alike."""
    from msgspec import json

    figures, settings = played.figures, played.settings
    found: dict[str, object] = {}
    for point in figures.quantiles:
        name = f"p{point.quantile * 100:g}_ms"
        found |= {name: point.ms, f"{name}_lo": point.lo_ms, f"{name}_hi": point.hi_ms}
    return found | {
        "mean_ms": figures.mean_ms,
        "turns": figures.turns,
        "failed": figures.failed,
        "flow": played.name,
        "scenario": settings.scenario,
        "strategy": settings.strategy,
        "seed": settings.seed,
        "rounds": settings.rounds,
        "stages_ms": figures.critical_ms,
        "settings": hashlib.sha256(json.encode(settings, order="sorted")).hexdigest()[:12],
    }
