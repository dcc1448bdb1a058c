"""A gate between its command line and its verdict: whose code runs, and what ends it; nothing is
played here."""

from pathlib import Path

import pytest

from harness.cli.course import Course
from harness.cli.exits import INVALID, BadInput
from harness.cli.gate import Plan, _gate, _Played, check_code, only_flow
from harness.cli.gate_flow import ToldScenario, setup_of
from harness.cli.gate_lines import SIDES
from harness.cli.gate_outcome import Printing, asked_of
from harness.cli.gate_rounds import Rounds
from harness.cli.gate_trees import Tree
from harness.cli.outcome import Started
from harness.cli.problems import Problems
from tests.cli.gate_doubles import ask, loaded


def _plan(folder: Path, *pythons: str, flow: str = "conversation") -> Plan:
    trees = [Tree("base", folder, pythons[0]), Tree("head", folder, pythons[-1])]
    asked = asked_of(Problems(), "50", "p50", "1%", "fail")
    return Plan(flow, Rounds(trees, ask, 1), 12, asked, folder)


def test_two_sides_that_run_no_code_of_their_own_are_not_compared(tmp_path: Path) -> None:
    none, own = loaded(own_code=False), loaded(own_code=True)
    with pytest.raises(BadInput, match="neither side runs any code of its folder"):
        check_code(_plan(tmp_path, "/python"), [none, none])
    check_code(_plan(tmp_path, "/python"), [none, own])
    check_code(_plan(tmp_path, "/base/python", "/head/python"), [none, none])


def test_where_only_the_flows_own_file_can_differ_that_is_said(tmp_path: Path) -> None:
    one = _plan(tmp_path, "/python", flow="flows.py::buy")
    check_code(one, [loaded(own_code=False)] * 2)
    (remark,) = only_flow(one, False)
    assert remark.startswith("only flows.py of each folder runs; all else is what is installed")
    assert only_flow(one, True) == []
    assert only_flow(_plan(tmp_path, "/base/python", "/head/python"), False) == []


@pytest.mark.parametrize(
    ("ended_by", "told"),
    [
        (KeyboardInterrupt(), "interrupted when all was played and before the verdict"),
        (OSError(28, "No space left on device"), "the runs cannot be stored (No space left on de"),
    ],
)
def test_what_ends_it_after_the_rounds_is_no_regression_and_says_where_they_are(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ended_by: BaseException,
    told: str,
) -> None:
    plan = _plan(tmp_path, "/python", flow="flows.py")
    setup = setup_of(ask(), ToldScenario())
    courses = {side: Course(tmp_path / side, stopped="stopped") for side in SIDES}
    folders = {side: tmp_path / side for side in SIDES}
    of_side = dict.fromkeys(SIDES, loaded())
    played = _Played(setup, of_side, courses, folders, Started.now(), True)

    def keep(*_: object) -> None:
        raise ended_by

    monkeypatch.setattr("harness.cli.gate._played", lambda plan: played)
    monkeypatch.setattr("harness.cli.gate_outcome.keep", keep)
    assert _gate(plan, Printing()) == INVALID
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "tollbench: stopped" and second.startswith(f"tollbench: {told}")
    assert third.endswith(f"turns are left in {tmp_path / 'base'} and {tmp_path / 'head'}")
