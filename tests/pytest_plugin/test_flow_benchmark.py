"""`flow_benchmark`: a flow in pytest-benchmark's table, its JSON and its comparisons."""

import json
from typing import Any

import pytest

from harness.cli.played import Asked, play
from tests.pytest_plugin.session import SMALL, User

pytest_plugins = ["pytester"]

ONE = f"""
def test_pays(flow_benchmark):
    flow_benchmark("conversation", strategy="prewarm", {SMALL})
"""
ASKED = Asked(flow="conversation", strategy="prewarm", turns=20, rounds=5)


def _benchmarks(user: User, name: str = "b.json") -> list[dict[str, Any]]:  # JSON of others
    found: list[dict[str, Any]] = json.loads((user.folder / name).read_bytes())["benchmarks"]
    return found


def test_the_rounds_of_the_benchmark_are_the_turns_exactly(user: User) -> None:
    user.write(test_one=ONE)
    user.run("--benchmark-json=b.json").assert_outcomes(passed=1)
    (found,) = _benchmarks(user)
    assert found["stats"]["data"] == [ms / 1e3 for ms in play(ASKED).times.answered_ms.tolist()]
    assert (found["stats"]["rounds"], found["stats"]["iterations"]) == (20, 1)


def test_percentiles_and_their_intervals_are_told_beside_them(user: User) -> None:
    user.write(test_one=ONE)
    user.run("--benchmark-json=b.json")
    (found,) = _benchmarks(user)
    played, extra = play(ASKED), found["extra_info"]
    p50 = played.figures.quantiles[0]
    assert [extra["p50_ms"], extra["p50_ms_lo"], extra["p50_ms_hi"]] == [
        p50.ms,
        p50.lo_ms,
        p50.hi_ms,
    ]
    assert extra["p50_ms_lo"] < extra["p50_ms"] < extra["p50_ms_hi"]
    assert {"p95_ms", "p95_ms_lo", "p95_ms_hi", "p99_ms"} <= extra.keys()
    assert (extra["flow"], extra["strategy"], extra["turns"], extra["failed"], extra["seed"]) == (
        "conversation/prewarm", "prewarm", 20, 0, 1,
    )  # fmt: skip
    assert sum(extra["stages_ms"].values()) == pytest.approx(extra["mean_ms"], abs=0.01)


@pytest.mark.thorough
def test_equal_sessions_leave_equal_figures(user: User) -> None:
    user.write(test_one=ONE)
    for name in ("a.json", "b.json"):
        user.run(f"--benchmark-json={name}")
    (a,), (b,) = _benchmarks(user, "a.json"), _benchmarks(user, "b.json")
    assert (a["stats"], a["extra_info"]) == (b["stats"], b["extra_info"])


@pytest.mark.parametrize(
    "option",
    [
        "--benchmark-only",
        "--benchmark-disable",
        pytest.param("--benchmark-autosave", marks=pytest.mark.thorough),
        pytest.param("--benchmark-cprofile=tottime", marks=pytest.mark.thorough),
        pytest.param("--benchmark-warmup=on", marks=pytest.mark.thorough),
    ],
)
def test_it_passes_under_the_options_of_pytest_benchmark(user: User, option: str) -> None:
    user.write(test_one=ONE)
    user.run(option).assert_outcomes(passed=1)


@pytest.mark.thorough
def test_a_stored_session_can_be_compared_with(user: User) -> None:
    user.write(test_one=ONE)
    user.run("--benchmark-save=first").assert_outcomes(passed=1)
    result = user.run("--benchmark-compare", "--benchmark-compare-fail=mean:1%")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*test_pays (0001_first)*", "*test_pays (NOW)*"], consecutive=False
    )


@pytest.mark.socket
@pytest.mark.thorough
def test_a_histogram_can_be_drawn(user: User) -> None:
    user.write(test_one=ONE)
    # What draws it takes the place of Python's own finder of packages, for the whole process.
    user.run("--benchmark-histogram=drawn", apart=True).assert_outcomes(passed=1)
    assert list(user.folder.glob("drawn*.svg"))


def test_skipped_benchmarks_play_nothing(user: User) -> None:
    user.write(test_one=ONE)
    user.run("--benchmark-skip").assert_outcomes(skipped=1)


def test_flows_have_a_table_of_their_own_beside_what_the_machine_took(user: User) -> None:
    user.write(test_one=ONE + "\ndef test_machine(benchmark):\n    benchmark(sum, [1, 2])\n")
    result = user.run("--benchmark-json=b.json", "--benchmark-max-time=0.01")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*benchmark 'flows on the virtual clock': 1 tests*"])
    assert _benchmarks(user)[1]["stats"]["max"] < 1.0


@pytest.mark.thorough
def test_a_marker_of_the_users_own_keeps_its_say(user: User) -> None:
    mine = "import pytest\n@pytest.mark.benchmark(group='mine')" + ONE
    user.write(test_one=mine)
    user.run("--benchmark-json=b.json").assert_outcomes(passed=1)
    assert _benchmarks(user)[0]["group"] == "mine"
    assert _benchmarks(user)[0]["stats"]["rounds"] == 20


def test_a_second_flow_in_one_test_is_told_to_be_played_without_a_row(user: User) -> None:
    user.write(test_one=ONE + f"    flow_benchmark('checkout', {SMALL})\n")
    result = user.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*one row a test: play the other flows by play_flow"])


def test_a_flow_that_cannot_be_played_is_the_only_failure(user: User) -> None:
    user.write(test_one="def test_it(flow_benchmark):\n    flow_benchmark('nowhere')\n")
    result = user.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["unknown scenario 'nowhere': take checkout, *"])


def test_pytest_benchmark_is_found_by_whatever_name_it_was_loaded(user: User) -> None:
    user.write(test_one=ONE)
    user.run("-pno:benchmark", "-ppytest_benchmark.plugin").assert_outcomes(passed=1)


def test_without_pytest_benchmark_flows_play_and_only_the_row_is_refused(user: User) -> None:
    plain = f"""
def test_plain(play_flow, assert_latency):
    assert_latency(play_flow("conversation", {SMALL}), "p50 < 9s")
"""
    user.write(test_one=ONE + plain)
    result = user.run("-p", "no:benchmark")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*pip install 'tollbench?ci?'*"])
    result.stdout.no_fnmatch_line("*Traceback*")
