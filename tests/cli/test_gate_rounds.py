"""What the gate makes of what its two sides say, and of what they do not; the sides are doubles."""

from pathlib import Path

import pytest

from harness.cli.course import Course, Crashed
from harness.cli.exits import BadInput
from harness.cli.gate_lines import SIDES, Down, Loaded, Played, Refused, Side
from harness.cli.gate_rounds import Rounds, loaded_of, loading, play
from harness.cli.gate_trees import Tree
from harness.load.engine import Tally
from tests.cli.gate_doubles import ask, double, loaded

pytestmark = pytest.mark.socket

READY = '{"type":"ready","now_s":NOW,"plan":"1"}'
BEGAN = '{"type":"played","due":6,"started":6,"finished":5,"failed":1,"fault":"ASKED"}'
ROUND = (loaded(), READY, BEGAN)


class _Unseen:
    def watch(self, tally: Tally) -> None: ...


def _rounds(*trees: Tree, rounds: int = 1) -> Rounds:
    return Rounds(trees, ask, rounds)


def _loaded(*trees: Tree) -> list[Loaded]:
    with loading(_rounds(*trees), 0) as pair:
        return loaded_of(pair)


def _play(folder: Path, *trees: Tree, rounds: int = 1) -> dict[Side, Course]:
    courses = {side: Course(folder / "room" / side) for side in SIDES}
    of = _rounds(*trees, rounds=rounds)
    with loading(of, 0) as pair:
        loaded_of(pair)
        try:
            play(of, pair, "http://mocks", courses, _Unseen())
        except Crashed as crashed:
            courses["head"].stopped = crashed.crash.reason
    return courses


def test_both_sides_begin_at_one_moment_and_what_they_played_is_counted(tmp_path: Path) -> None:
    courses = _play(tmp_path, *(double(tmp_path, side, *ROUND) for side in SIDES), rounds=2)
    for course in courses.values():
        assert (course.rounds_finished, course.stopped) == (2, "")
        assert (course.tally.due, course.tally.finished, course.tally.failed) == (12, 10, 2)
    moments = {course.tally.fault for course in courses.values()}
    assert len(moments) == 1 and "at_s" in moments.pop()


@pytest.mark.parametrize("own", [False, True])
def test_it_is_known_whether_any_side_ran_more_than_its_flow(tmp_path: Path, own: bool) -> None:
    played: list[Loaded | Played | str] = [
        loaded(own_code=False),
        READY,
        Played(own_code=False),
    ]
    base = double(tmp_path, "base", *played)
    head = double(tmp_path, "head", *played[:2], Played(own_code=own))
    courses = {side: Course(tmp_path / side) for side in SIDES}
    with loading(_rounds(base, head), 0) as pair:
        loaded_of(pair)
        assert play(_rounds(base, head), pair, "http://mocks", courses, _Unseen()) is own


def test_a_side_that_cannot_play_is_named_with_its_reason(tmp_path: Path) -> None:
    refused = Refused(["flows.py cannot be loaded"])
    base, head = double(tmp_path, "base", loaded()), double(tmp_path, "head", refused)
    with pytest.raises(BadInput) as both:
        _loaded(base, head)
    assert both.value.problems == ["head: flows.py cannot be loaded"]


def test_what_both_sides_lack_is_told_once(tmp_path: Path) -> None:
    refused = Refused(["--set: no parameter 'foo'"])
    with pytest.raises(BadInput) as both:
        _loaded(*(double(tmp_path, side, refused) for side in SIDES))
    assert both.value.problems == ["base and head: --set: no parameter 'foo'"]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (loaded(turns_each=3), "base has 2 turns a conversation and head 3"),
        (loaded(outages=[Down("intent", 1.0, 2.0)]), "about other outages"),
        (loaded(rows="other"), "head: its tollbench is another than the gate's"),
        (loaded(protocol=2), "head: its tollbench is another than the gate's"),
        ("gibberish", "head: its tollbench is another than the gate's"),
    ],
)
def test_sides_that_do_not_fit_together_are_refused(
    tmp_path: Path, head: Loaded | str, told: str
) -> None:
    with pytest.raises(BadInput) as error:
        _loaded(double(tmp_path, "base", loaded()), double(tmp_path, "head", head))
    assert told in " ".join(error.value.problems)


def test_a_python_without_tollbench_is_told_with_the_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "base.py"
    base.write_text("#!/bin/sh\necho \"No module named 'harness'\" >&2\nexit 1\n")
    base.chmod(0o755)
    with pytest.raises(BadInput) as error:
        _loaded(Tree("base", tmp_path, str(base)), double(tmp_path, "head", loaded()))
    (problem,) = error.value.problems
    assert problem.startswith("base: its process ended: No module named 'harness'; the gate needs")
    assert problem.endswith("--base-python")
    assert "No module named" in capsys.readouterr().err


def test_a_python_that_cannot_be_run_is_no_crash_of_ours(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("")
    with pytest.raises(BadInput) as error:
        _loaded(Tree("base", tmp_path, str(tmp_path / "text")))
    assert error.value.problems[0].startswith("--base-python ")


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ((loaded(), READY.replace("NOW", "-1e9"), BEGAN), "head: its clock is not the one"),
        ((loaded(), READY.replace('"1"', '"2"'), BEGAN), "its tollbench is another"),
        ((loaded(), Played(bug="KeyError: 'shop'")), "head: KeyError: 'shop'"),
        ((loaded(), READY, Played(due=3, bug="KeyError: 'x'")), "head: KeyError: 'x'"),
    ],
)
def test_what_ends_a_round_early_is_told_and_the_round_is_not_whole(
    tmp_path: Path, head: tuple[Loaded | Played | str, ...], why: str
) -> None:
    courses = _play(tmp_path, double(tmp_path, "base", *ROUND), double(tmp_path, "head", *head))
    assert why in courses["head"].stopped
    assert {course.rounds_finished for course in courses.values()} == {0}


def test_what_a_side_had_played_when_the_other_died_is_kept(tmp_path: Path) -> None:
    cut = Played(due=4, started=4, finished=3, running=1)
    base = double(tmp_path, "base", loaded(), READY, cut)
    courses = _play(tmp_path, base, double(tmp_path, "head", loaded(), dies=3))
    assert courses["head"].stopped == "head: its process ended: exit code 3"
    assert (courses["base"].tally.due, courses["base"].tally.running) == (4, 1)
    assert courses["head"].tally.due == 0
