"""What is told of a test whose process died, and of a session that was ended before its time: never
that it passed."""

import json

import pytest

from tests.pytest_plugin.session import SHOP, SMALL, User

pytest_plugins = ["pytester"]

TESTS = f"""
import pytest, shop

@pytest.fixture
def turns(play_flow):
    return play_flow(shop.buy, {SMALL})

def test_holds(turns, assert_latency):
    assert_latency(turns, "p50 < 9s")

"""
DIES = """
import pytest

def pytest_runtest_protocol(item, nextitem):
    if "dies" not in item.name:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    if "turns" in item.fixturenames:
        from _pytest.runner import call_and_report
        call_and_report(item, "setup")
    path = item.nodeid.partition("::")[0]
    report = pytest.TestReport(
        item.nodeid, (path, None, path), {}, "failed", "worker 'gw0' crashed", "???"
    )
    item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
"""Tells what pytest-xdist does of a test in which a worker died."""

ENDED = "test_it.py::test_dies: its worker ended before it did: its own output says why"
EARLY = "the session was ended early: tests may be missing"
PLENTY = "0 of 1 test failed; of 1 check 1 passed"


@pytest.fixture
def project(user: User) -> User:
    user.write(shop=SHOP)
    return user


def _passed(user: User) -> bool:
    verdicts = json.loads((user.folder / "out" / "latency.json").read_bytes())
    return bool(verdicts["passed"])


def _markdown(user: User) -> str:
    return (user.folder / "out" / "latency.md").read_text("utf-8").replace("\\", "")


@pytest.mark.parametrize(
    "test", ["def test_dies(play_flow):\n    pass\n", "def test_dies():\n    pass\n"]
)
def test_a_test_whose_worker_died_has_failed_whatever_it_played(
    project: User, test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    project.write(conftest=DIES, test_it=TESTS + test)
    result = project.run("--tollbench-out=out")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"::error file=test_it.py,line=1,*::{ENDED}"])
    assert "**FAILED**: 1 of 2 tests failed" in _markdown(project)
    assert f"- {ENDED}" in _markdown(project)
    assert not _passed(project)
    assert [test["passed"] for test in project.told("out")] == [True, False]


def test_it_is_told_once_and_with_what_it_had_played(project: User) -> None:
    project.write(conftest=DIES, test_it=TESTS + "def test_dies(turns):\n    pass\n")
    project.run("--tollbench-out=out")
    died = project.told("out")[1]
    assert (died["passed"], len(list(died["flows"]))) == (False, 1)  # type: ignore[call-overload]  # a list in JSON
    assert len(project.told("out")) == 2
    assert f"- {ENDED}" in _markdown(project)


def test_where_no_flow_was_played_nothing_is_told_of_it(project: User) -> None:
    project.write(conftest=DIES, test_it="def test_dies():\n    pass\n")
    project.run().stdout.no_fnmatch_line("*its worker ended*")


@pytest.mark.socket
@pytest.mark.thorough
def test_so_it_is_told_by_pytest_xdist(project: User) -> None:
    project.write(test_it=TESTS + "def test_dies(turns):\n    import os\n    os._exit(3)\n")
    result = project.run("-n1", "--tollbench-out=out", apart=True)
    result.assert_outcomes(passed=1, failed=1)
    assert f"- {ENDED}" in _markdown(project)
    assert not _passed(project)
    assert len(project.told("out")) == 2


@pytest.mark.parametrize(
    ("test", "options"),
    [
        ("def test_ends():\n    pytest.exit('enough', returncode=0)\n", ()),
        ("def test_ends():\n    assert False\n\ndef test_left():\n    pass\n", ("-x",)),
    ],
)
def test_a_session_that_was_ended_early_has_not_passed(
    project: User, test: str, options: tuple[str, ...]
) -> None:
    project.write(test_it=TESTS + test)
    project.run("--tollbench-out=out", *options)
    assert f"**NOT FINISHED**: {PLENTY}; {EARLY}" in _markdown(project)
    assert not _passed(project)


def test_nor_has_one_that_ended_with_an_error_of_pytests_own(project: User) -> None:
    broken = "def pytest_runtest_logfinish(nodeid):\n    assert 'holds' not in nodeid\n"
    project.write(conftest=broken, test_it=TESTS + "def test_left():\n    pass\n")
    assert project.run("--tollbench-out=out").ret == pytest.ExitCode.INTERNAL_ERROR
    assert f"**NOT FINISHED**: {PLENTY}; {EARLY}" in _markdown(project)


def test_what_failed_before_it_ended_counts_for_more(project: User) -> None:
    project.write(test_it=TESTS.replace("9s", "1ms") + "def test_left():\n    pass\n")
    project.run("--tollbench-out=out", "-x").assert_outcomes(failed=1)
    assert "**FAILED**: 1 of 1 test failed" in _markdown(project)
    assert EARLY in _markdown(project)


@pytest.mark.parametrize("options", [(), ("--maxfail=2",)])
def test_failures_of_other_things_end_nothing(project: User, options: tuple[str, ...]) -> None:
    project.write(test_it=TESTS + "def test_fails():\n    assert False\n")
    project.run("--tollbench-out=out", *options).assert_outcomes(passed=1, failed=1)
    assert f"**PASSED**: {PLENTY}\n" in _markdown(project)
    assert _passed(project)


def test_nor_has_one_that_was_interrupted(project: User) -> None:
    project.write(test_it=TESTS + "def test_ends():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):  # pytester hands it on
        project.run("--tollbench-out=out")
    assert f"**NOT FINISHED**: {PLENTY}; {EARLY}" in _markdown(project)
    assert not _passed(project)


@pytest.mark.socket
@pytest.mark.thorough
def test_so_it_is_told_of_workers_of_xdist_that_were_stopped(project: User) -> None:
    test = "def test_ends():\n    assert False\n\ndef test_left():\n    pass\n"
    project.write(test_it=TESTS + test)
    project.run("-n1", "-x", "--tollbench-out=out", apart=True)
    assert f"**NOT FINISHED**: {PLENTY}; {EARLY}" in _markdown(project)
    assert not _passed(project)
