"""A run that looks at itself on its way stops at a look, and measures what it would have anyway."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.course import Course
from harness.cli.problems import Problems
from harness.cli.rounds import run_rounds
from harness.cli.setup import Options, checked
from harness.cli.wiring import Setup
from harness.flow.strategy import all_strategies
from harness.load.engine import Tally
from harness.record import FlowRow, sha256
from harness.stats.analysis import Question
from harness.stats.sequential import primary_effects
from tests.cli.command import Done, tollbench
from tests.cli.processes import PROC, watched
from tests.cli.quick import NAMES, write_profiles

LOOKS = (2, 3, 6)


@pytest.fixture
def setup() -> Setup:
    return checked(Options(), Problems(), all_strategies(["prewarm"]), rounds=6, turns=12)


@pytest.fixture
def real_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    write_profiles(tmp_path, times_faster=200)
    monkeypatch.chdir(tmp_path)
    named = dict(zip(NAMES[::2], NAMES[1::2], strict=True))
    options = Options(
        parameters=["turns=1"],
        clock="real",
        rate="200",
        pay=named["--pay"],
        models={"intent": named["--intent"], "confirm": named["--confirm"]},
    )
    return checked(options, Problems(), all_strategies(["prewarm"]), rounds=6, turns=12)


class Bar:
    """Nobody sees it."""

    def watch(self, tally: Tally) -> None:
        self.tally = tally


class Watch:
    """Finds it enough at one of the looks, and notes which rounds had finished at each."""

    def __init__(self, enough_at: int = 0, then: Callable[[], object] = lambda: None) -> None:
        self._enough_at = enough_at
        self._then = then
        self.saw: list[list[int]] = []

    def __call__(self, course: Course) -> bool:
        self.saw.append(sorted({row.round for row in course.turns()}))
        assert course.rounds_finished == len(self.saw[-1])
        if len(self.saw) == self._enough_at:
            self._then()
            return True
        return False


def rows(course: Course) -> list[FlowRow]:
    return sorted(course.turns(), key=lambda row: (row.round, row.variant, row.due_s))


@pytest.mark.parametrize("jobs", [1, 3])
@pytest.mark.parametrize("enough_at", [1, 2, 3])
def test_a_run_stops_at_the_look_that_is_enough_and_not_within_a_batch(
    jobs: int, enough_at: int, setup: Setup, tmp_path: Path
) -> None:
    watch, bar = Watch(enough_at), Bar()
    course = run_rounds(setup, jobs, bar, tmp_path, LOOKS, watch)
    assert watch.saw == [list(range(look)) for look in LOOKS[:enough_at]]
    assert (course.stopped, course.rounds_finished) == ("", LOOKS[enough_at - 1])
    assert bar.tally.finished == course.tally.finished == LOOKS[enough_at - 1] * 2 * 2


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_a_round_measures_does_not_depend_on_the_looks(
    jobs: int, setup: Setup, tmp_path: Path
) -> None:
    whole = rows(run_rounds(setup, 1, Bar(), tmp_path / "whole"))
    assert rows(run_rounds(setup, jobs, Bar(), tmp_path / "looks", LOOKS, Watch())) == whole
    early = rows(run_rounds(setup, jobs, Bar(), tmp_path / "early", LOOKS, Watch(2)))
    assert early == [row for row in whole if row.round < LOOKS[1]]


@pytest.mark.socket
def test_on_the_real_clock_the_rounds_come_in_the_same_batches(
    real_setup: Setup, tmp_path: Path
) -> None:
    watch = Watch(2)
    course = run_rounds(real_setup, 1, Bar(), tmp_path / "room", LOOKS, watch)
    assert watch.saw == [[0, 1], [0, 1, 2]]
    assert (course.stopped, course.rounds_finished) == ("", 3)
    assert {row.round for row in course.turns()} == {0, 1, 2}


def interrupt() -> None:
    raise KeyboardInterrupt


def break_down() -> None:
    raise ValueError("no look")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("happens", "told"),
    [
        (interrupt, "interrupted after 3 of 6 rounds"),
        (break_down, "stopped after 3 of 6 rounds by ValueError: no look"),
    ],
)
def test_what_ends_a_run_at_a_look_loses_no_round(
    happens: Callable[[], None], told: str, jobs: int, setup: Setup, tmp_path: Path
) -> None:
    course = run_rounds(setup, jobs, Bar(), tmp_path, LOOKS, Watch(2, happens))
    assert (course.stopped, course.rounds_finished) == (told, 3)
    assert {row.round for row in course.turns()} == {0, 1, 2}


SHORT = ("compare", "--vary", "prewarm", "--flows", "40", "--rounds", "10", "--jobs", "2")


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A question that the first look settles."""
    return tollbench(*SHORT, "--until-certain", cwd=tmp_path_factory.mktemp("sure"))


def test_a_certain_run_says_at_which_look_it_stopped_and_at_what_level(sure: Done) -> None:
    summary, _ = sure.stored
    assert (sure.code, sure.err, summary.valid) == (0, "", True)
    looks = summary.looks
    assert looks is not None
    assert (looks.planned, looks.used, looks.ended) == ([5, 10, 20, 35, 50], 1, "certain")
    assert looks.alpha == pytest.approx(0.05)
    assert (summary.rounds_finished, summary.rounds) == (5, 50)
    assert summary.effect_level == pytest.approx(0.99)
    assert summary.variants[0].turns == 20
    assert "stopped at look 1 of 5, certain after 5 of 50 rounds" in " ".join(sure.out.split())


def test_the_verdicts_told_are_those_that_the_last_look_found(sure: Done) -> None:
    summary, rows = sure.stored
    question = Question(factors=["prewarm"], effect_level=summary.effect_level, seed=summary.seed)
    asked = [effect for effect in summary.effects if effect.primary]
    assert asked == primary_effects(rows.flows, summary.variants, question)
    assert [effect.verdict for effect in asked] == ["improved"]


def test_its_rounds_are_those_of_a_run_of_the_usual_length(sure: Done, tmp_path: Path) -> None:
    usual = checked(Options(), Problems(), all_strategies(["prewarm"]), rounds=10, turns=40)
    course = run_rounds(usual, 1, Bar(), tmp_path, looks=(5, 10), enough=Watch(1))
    summary, _ = sure.stored
    assert summary.rows_sha256 == sha256(course.columns())


@pytest.mark.thorough
def test_a_run_that_never_is_certain_is_inconclusive_and_says_what_it_would_take(
    tmp_path: Path,
) -> None:
    # About as much as pre-warming saves, so that nothing tells whether it saves more.
    done = tollbench(*SHORT, "--until-certain", "--looks", "2", "--tolerance", "10%", cwd=tmp_path)
    summary, _ = done.stored
    looks = summary.looks
    assert (done.code, summary.valid) == (3, True)
    assert looks is not None
    assert (looks.planned, looks.used, looks.ended) == ([5, 50], 2, "last look")
    assert summary.rounds_finished == 50
    assert summary.effect_level == pytest.approx(0.975)
    (asked,) = (effect for effect in summary.effects if effect.primary)
    assert asked.verdict == "cannot tell"
    assert asked.rounds_needed is not None
    assert asked.rounds_needed > 50
    assert f"about {asked.rounds_needed} rounds" in " ".join(done.out.split())


@pytest.mark.thorough
@pytest.mark.skipif(not PROC.is_dir(), reason="processes are looked up in /proc")
def test_an_interrupt_before_a_look_keeps_what_finished_and_says_so(tmp_path: Path) -> None:
    long = ("compare", "--until-certain", "--flows", "8000", "--rounds", "400", "--jobs", "2")
    with watched(*long, cwd=tmp_path) as watch:
        watch.until_turns_ended(1)
        watch.interrupt(whole_group=True)
        done = watch.end()
        assert watch.left() == set()
    summary, rows = done.stored
    assert (done.code, summary.valid) == (4, False)
    assert summary.looks is not None
    assert (summary.looks.used, summary.looks.ended) == (0, "stopped")
    assert summary.invalid_because[0].startswith("interrupted after ")
    assert len(rows.flows) == summary.rounds_finished * 8 * 20 > 0


@pytest.mark.thorough
@pytest.mark.socket
def test_the_real_clock_stops_at_a_look_too(tmp_path: Path) -> None:
    write_profiles(tmp_path, times_faster=200)
    done = tollbench(
        "compare", "--clock", "real", "--until-certain", "--vary", "prewarm", "--flows", "20",
        "--rounds", "10", "--tolerance", "2000ms", "--rate", "100", "--set", "turns=1", *NAMES,
        cwd=tmp_path,
    )  # fmt: skip
    summary, rows = done.stored
    assert summary.looks is not None
    assert (summary.looks.used, summary.looks.ended) == (1, "certain")
    assert {row.round for row in rows.flows} == set(range(5))
    (asked,) = (effect for effect in summary.effects if effect.primary)
    assert asked.verdict == "unchanged"
