"""What is told of a session that went wrong elsewhere than in a check: while collecting, in setup
or teardown, in a subtest; never that it passed."""

import json

import pytest

from tests.pytest_plugin.session import SHOP, SMALL, User

pytest_plugins = ["pytester"]

FIXTURES = f"""
import pytest, shop

@pytest.fixture
def turns(play_flow):
    return play_flow(shop.buy, {SMALL})

@pytest.fixture
def in_time(turns, assert_latency):
    assert_latency(turns, "p50 < 1ms")

@pytest.fixture
def breaks_in_the_end(play_flow):
    yield
    play_flow("conversation", {SMALL})
    assert False, "in the end"

@pytest.fixture
def breaks():
    assert False, "before anything is played"
"""


@pytest.fixture
def project(user: User) -> User:
    user.write(shop=SHOP, conftest=FIXTURES)
    return user


def _passed(user: User) -> bool:
    verdicts = json.loads((user.folder / "out" / "latency.json").read_bytes())
    return bool(verdicts["passed"])


def _markdown(user: User) -> str:
    return (user.folder / "out" / "latency.md").read_text("utf-8").replace("\\", "")


@pytest.mark.parametrize(
    ("test", "flows"),
    [
        ("def test_it(in_time):\n    pass\n", 1),
        ("def test_it(turns, breaks):\n    pass\n", 1),
        ("def test_it(breaks, play_flow):\n    pass\n", 0),
        ("def test_it(turns, breaks_in_the_end):\n    pass\n", 2),
        ("def test_it(turns):\n    assert False\n", 1),
    ],
)
def test_a_test_that_failed_at_any_time_is_told_with_all_its_flows(
    project: User, test: str, flows: int
) -> None:
    project.write(test_it=test)
    assert project.run("--tollbench-out=out").ret == pytest.ExitCode.TESTS_FAILED
    (told,) = project.told("out")
    assert (told["passed"], len(list(told["flows"]))) == (False, flows)  # type: ignore[call-overload]  # a list in JSON
    assert "**FAILED**: 1 of 1 test failed" in _markdown(project)
    assert not _passed(project)


def test_what_a_fixture_played_is_told_of_the_test_that_passed(project: User) -> None:
    project.write(
        test_it=f"""
def test_it(turns, play_flow, assert_latency):
    assert_latency(turns, "p50 < 9s")
    play_flow("conversation", {SMALL})
"""
    )
    project.run("--tollbench-out=out", "--junitxml=junit.xml").assert_outcomes(passed=1)
    (told,) = project.told("out")
    assert [of["name"] for of in told["flows"]] == ["buy/baseline", "conversation/baseline"]  # type: ignore[attr-defined]  # a list in JSON
    properties = (project.folder / "junit.xml").read_text()
    for name in ("buy/baseline p50_ms", "conversation/baseline p50_ms"):
        assert properties.count(f'"{name}"') == 1
    assert '"p50_ms"' not in properties


def test_of_subtests_all_flows_and_the_worst_outcome_are_told(project: User) -> None:
    project.write(
        test_it=f"""
import shop

def test_it(subtests, play_flow, assert_latency):
    for least in ("9s", "1ms", "8s"):
        with subtests.test(least):
            assert_latency(play_flow(shop.buy, {SMALL}), f"p50 < {{least}}")
"""
    )
    assert project.run("--tollbench-out=out").ret == pytest.ExitCode.TESTS_FAILED
    (told,) = project.told("out")
    assert (told["passed"], told["line"]) == (False, 6)
    assert [of["state"] for of in told["checks"]] == ["passed", "failed", "passed"]  # type: ignore[attr-defined]  # a list in JSON
    assert "misses p50 &lt; 1ms" in _markdown(project)


RERUN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_a_test_that_is_run_again_is_told_as_it_was_the_last_time(project: User) -> None:
    project.write(
        conftest=FIXTURES + RERUN,
        test_it=f"""
import shop

def test_it(play_flow, assert_latency):
    shop.PACK_S = 12.0 - shop.PACK_S
    assert_latency(play_flow(shop.buy, {SMALL}), "p50 < 9s")
    assert_latency(play_flow(shop.buy, {SMALL}), baseline=True)
""",
    )
    project.run("--tollbench-out=out", "--tollbench-update", "--junitxml=junit.xml")
    (told,) = project.told("out")
    assert (told["passed"], len(list(told["checks"]))) == (True, 1)  # type: ignore[call-overload]  # a list in JSON


def test_files_that_could_not_be_collected_are_told_as_failed(project: User) -> None:
    project.write(test_it="import nothing_of_this_name\n", test_good="def test_it():\n    pass\n")
    project.run("--tollbench-out=out").assert_outcomes(errors=1)
    assert "- test_it.py could not be collected" in _markdown(project)
    assert not _passed(project)


@pytest.mark.socket
@pytest.mark.thorough
def test_so_they_are_by_workers_of_xdist(project: User) -> None:
    project.write(test_it="import nothing_of_this_name\n")
    project.run("-n2", "--tollbench-out=out", apart=True).assert_outcomes(errors=1)
    assert "- test_it.py could not be collected" in _markdown(project)
    assert len(project.told("out")) == 1


def test_a_session_that_plays_no_flow_is_told_nothing_and_never_passes(project: User) -> None:
    project.write(test_it="import nothing_of_this_name\n")
    result = project.run()
    result.stdout.no_fnmatch_line("*latency*")
    project.write(test_it="def test_it():\n    pass\n")
    project.run("--tollbench-out=out").assert_outcomes(passed=1)
    assert "**NOT TESTED**: no test played a flow" in _markdown(project)
    assert not _passed(project)


def test_an_expected_failure_is_none(project: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write(
        test_it="""
import pytest

@pytest.mark.xfail(reason="slow as yet")
def test_it(turns, assert_latency):
    assert_latency(turns, "p50 < 1ms")

def test_raises(turns, assert_latency):
    with pytest.raises(AssertionError):
        assert_latency(turns, "p50 < 1ms")
"""
    )
    result = project.run("--tollbench-out=out")
    result.assert_outcomes(xfailed=1, passed=1)
    result.stdout.no_fnmatch_line("::*")
    assert "**PASSED**: 0 of 2 tests failed; of 2 checks 2 failed as expected" in _markdown(project)
    assert "misses" not in _markdown(project)


def test_mistakes_of_a_call_are_told_in_the_summary_too(project: User) -> None:
    project.write(
        test_it="""
def test_play(play_flow):
    play_flow("conversatoin", seed=-1)

def test_assert(turns, assert_latency):
    assert_latency(turns)
"""
    )
    project.run("--tollbench-out=out").assert_outcomes(failed=2)
    for line in (
        "- seed must be a whole number from 0 to",
        "- unknown scenario 'conversatoin': take checkout,",
        "- assert_latency: nothing is asked: give budgets,",
    ):
        assert line in _markdown(project)
    assert "its own output says why" not in _markdown(project)
