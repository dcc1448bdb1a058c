"""Latency as a test: fixtures that play flows on the virtual clock and hold them to what was asked.

pytest loads this in every session of its environment, so nothing here imports more than pytest
until a test plays its first flow.

`play_flow` plays a flow and returns its turns. `flow_benchmark` does the same, and makes them a row
of pytest-benchmark's table. `assert_latency` holds turns to budgets, to a saving over other turns,
and to their stored baseline; what does not hold fails the test, with the verdict as its message.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import pytest

if TYPE_CHECKING:
    import httpx

    from harness.cli.played import Played

Inconclusive = Literal["fail", "pass", "skip"]
"""What becomes of a test about which nothing can be told."""

BASELINES = "tests/baseline"
"""The folder of baselines where neither the ini file nor the test names one."""

__tracebackhide__ = True  # of all modules of the plugin: pytest shows the user's own lines


class PlayFlow(Protocol):
    """What the fixtures `play_flow` and `flow_benchmark` are."""

    def __call__(
        self,
        flow: object,
        *,
        strategy: str = "baseline",
        turns: int = 500,
        rounds: int = 20,
        seed: int = 1,
        rate: float = 50,
        parameters: Mapping[str, object] = ...,
        pay: str | None = None,
        intent: str | None = None,
        confirm: str | None = None,
        reason: str | None = None,
        score: str | None = None,
        gateway: str | None = None,
        fallback: str | None = None,
        capacity: int | None = None,
        profiles: Sequence[str] = (),
        others: "Mapping[str, httpx.AsyncBaseTransport]" = ...,
        name: str = "",
    ) -> "Played":
        """Play the flow under one strategy, and return its turns.

        `flow` is a shipped scenario's name, a .py file with a scenario, `path.py::function`, a
        scenario's class or object, or an async function of one OwnTurn or of nothing. Paths begin
        at pytest's rootdir; what is not there is looked for in the working directory. `rate` is in
        turns/s. The rest is as in `tollbench compare`; `profiles` and `others`, which are for
        functions, say who answers them: profiles in place of a provider's usual one, and
        transports for hosts that no mock stands for.

        A shipped scenario that was played in this session already is not played again.
        """


FlowBenchmark = PlayFlow


class AssertLatency(Protocol):
    """What the fixture `assert_latency` is."""

    def __call__(
        self,
        turns: "Played",
        budgets: str = "",
        *,
        saves: str | None = None,
        than: "Played | None" = None,
        at: str | float = "p50",
        baseline: "bool | str | Path | None" = None,
        tolerance: str = "0%",
        inconclusive: Inconclusive | None = None,
    ) -> None:
        """Fail the test unless all that is asked holds.

        `budgets` are promises, as "p95 <= 5s, pay p95 < 1500ms, errors < 1%". `saves="200ms"` or
        `"5%"`, `than=` other turns: the response time `at` this percentile, "p95" or 95, is less
        by at least so much. `baseline` is a folder, from pytest's rootdir, or True for that of the
        ini option `tollbench_baseline`: no turn has become slower than it is stored there, by more
        than `tolerance`. With `pytest --tollbench-update` the baseline is written instead.

        `inconclusive` says what becomes of the test where an interval allows no answer; without
        it, --tollbench-inconclusive does.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tollbench", "latency of payment flows")
    group.addoption(
        "--tollbench-update",
        action="store_true",
        help="Write baselines of latency in place of comparing with them.",
    )
    group.addoption(
        "--tollbench-out",
        metavar="DIR",
        help="Write latency.md, latency.json and history.json there.",
    )
    group.addoption(
        "--tollbench-inconclusive",
        choices=("fail", "pass", "skip"),
        default="fail",
        help="What becomes of a test about which nothing can be told. Default: fail.",
    )
    parser.addini(
        "tollbench_baseline",
        f"Folder of latency baselines. Default: {BASELINES}",
        default=BASELINES,
    )


def pytest_configure(config: pytest.Config) -> None:
    from harness.pytest_plugin import asserting, benchmarking, playing, unbenchmarked
    from harness.pytest_plugin.telling import Telling

    # With pytest-benchmark the fixture must ask for its `benchmark` by name; without, there is
    # none to ask for.
    there = _has_pytest_benchmark(config)
    for module in (playing, asserting, benchmarking if there else unbenchmarked):
        config.pluginmanager.register(module)
    config.pluginmanager.register(Telling(config))


def _has_pytest_benchmark(config: pytest.Config) -> bool:
    """By whatever name it was loaded."""
    module = sys.modules.get("pytest_benchmark.plugin")
    return module is not None and config.pluginmanager.is_registered(module)
