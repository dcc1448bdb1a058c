"""What tests found reaches JUnit, files, the terminal and GitHub, also from worker processes."""

from xml.etree import ElementTree

import pytest

from tests.pytest_plugin.session import SHOP, SMALL, User

pytest_plugins = ["pytester"]

TESTS = f"""
import pytest, shop

def test_holds(flow_benchmark, assert_latency):
    assert_latency(flow_benchmark(shop.buy, {SMALL}), "p50 < 9s")

def test_does_not(play_flow, assert_latency):
    turns = play_flow(
        "conversation", {SMALL}
    )
    assert_latency(turns, "p50 < 1ms")

def test_other_things():
    assert True
"""


@pytest.fixture
def project(user: User) -> User:
    user.write(shop=SHOP, test_it=TESTS)
    return user


def test_the_verdicts_are_told_to_programs_to_junit_and_in_one_line_each(
    project: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = project.folder / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = project.run("--tollbench-out=out", "--junitxml=junit.xml")
    result.assert_outcomes(passed=2, failed=1)
    _assert_all_is_told(project, result)
    assert "conversation/baseline misses" in summary.read_text()
    assert not [line for line in result.outlines if line.startswith("::")]


def _assert_all_is_told(project: User, result: pytest.RunResult) -> None:
    tests = {str(test["test"]): test for test in project.told("out")}
    holds, misses = tests["test_it.py::test_holds"], tests["test_it.py::test_does_not"]
    assert len(tests) == 2
    assert (holds["passed"], holds["line"], holds["path"]) == (True, 3, "test_it.py")
    assert (misses["passed"], misses["line"]) == (False, 10)
    result.stdout.fnmatch_lines(
        ["failed * conversation/baseline", "passed * buy/baseline"], consecutive=True
    )
    cases = {
        case.get("name"): case
        for case in ElementTree.parse(project.folder / "junit.xml").iter("testcase")
    }
    failure = cases["test_does_not"].find("failure")
    assert failure is not None
    assert "conversation/baseline misses p50 < 1ms" in str(failure.get("message"))
    told = {of.get("name"): of.get("value") for of in cases["test_holds"].iter("property")}
    assert float(str(told["p50_ms"])) > 0
    assert not list(cases["test_other_things"].iter("property"))


@pytest.mark.socket
@pytest.mark.thorough
def test_workers_of_xdist_play_and_tell_the_same(project: User) -> None:
    result = project.run("-n2", "--tollbench-out=out", "--junitxml=junit.xml", apart=True)
    result.assert_outcomes(passed=2, failed=1)
    _assert_all_is_told(project, result)


@pytest.mark.socket
@pytest.mark.slow
def test_workers_of_xdist_write_baselines_side_by_side(project: User) -> None:
    project.write(
        test_it=f"""
import pytest

@pytest.mark.parametrize("strategy", ["baseline", "prewarm", "token_cache", "parallel_confirm"])
def test_it(strategy, play_flow, assert_latency):
    assert_latency(play_flow("conversation", strategy=strategy, {SMALL}), baseline=True)
"""
    )
    result = project.run("-n2", "--tollbench-update", apart=True)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        ["4 baselines written to tests/baseline: review them with git diff"]
    )
    project.run("-n2", apart=True).assert_outcomes(passed=4)


def test_on_github_the_line_that_failed_is_annotated(
    project: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = project.run("-k", "does_not")
    (line,) = [line for line in result.outlines if line.startswith("::")]
    assert line.startswith("::error file=test_it.py,line=10,")
    assert "conversation/baseline misses p50 < 1ms" in line


def test_a_flow_that_cannot_be_played_is_told_to_have_failed(user: User) -> None:
    user.write(test_it="def test_it(play_flow):\n    play_flow('conversatoin')\n")
    user.run("--tollbench-out=out").assert_outcomes(failed=1)
    (test,) = user.told("out")
    assert (test["passed"], test["line"], test["flows"]) == (False, 2, [])
    assert "1 of 1 test failed" in (user.folder / "out" / "latency.md").read_text()


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_played(project: User) -> None:
    (project.folder / "taken").write_text("")
    result = project.run("--tollbench-out=taken")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --tollbench-out: taken cannot be made a folder: *"])


def test_a_session_without_flows_is_told_nothing(project: User) -> None:
    result = project.run("-k", "other_things")
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.no_fnmatch_line("*latency*")


LOADED = """
import sys

def pytest_sessionfinish():
    heavy = {"numpy", "httpx", "asyncio.base_events", "msgspec", "locust", "gevent", "harness.cli"}
    print("loaded:", sorted(heavy & sys.modules.keys()))
"""


@pytest.mark.socket
def test_a_session_without_flows_loads_nothing_heavy_for_it(project: User) -> None:
    (project.folder / "test_it.py").write_text("def test_it():\n    pass\n")
    project.write(conftest=LOADED)
    others = ("benchmark", "xdist", "locust")
    result = project.run("-s", *(f"-pno:{name}" for name in others), apart=True)
    assert "loaded: []" in str(result.stdout)


@pytest.mark.socket
@pytest.mark.thorough
def test_locust_beside_it_patches_nothing(user: User) -> None:
    """Importing Locust would patch the whole process, and with it every time measured."""
    pytest.importorskip("importlib.metadata").version("locust")
    user.write(
        shop=SHOP,
        test_it=f"""
import socket, sys
import shop

def test_it(flow_benchmark, assert_latency):
    assert_latency(flow_benchmark(shop.buy, {SMALL}), "p50 < 9s")
    assert not {{"locust", "gevent"}} & sys.modules.keys()
    assert socket.socket.__module__ == "socket"
""",
    )
    user.run(apart=True).assert_outcomes(passed=1)
