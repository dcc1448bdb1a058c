"""`tollbench selftest` from its command line to its state, and the pairs that it plays."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from harness.cli.exits import BadInput
from harness.cli.pairs import Part, Play, Trial, run_trial, trial_of
from harness.cli.problems import Problems
from harness.cli.selftest import selftest
from harness.cli.selftest_outcome import QUANTILES, state_of
from harness.cli.setup import Options, checked
from harness.cli.slowing import slowed, stages_of
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from harness.load.engine import Tally
from harness.record import Rows, SpanRow, Turns, Verdict
from harness.report.selftest import SelftestSummary, State
from harness.stats import calibration
from harness.stats.calibration import Calibration, PairFigures
from tests.cli.command import Done, tollbench

SMALL = ("--pairs", "6", "--flows", "10", "--rounds", "5")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return tollbench("selftest", "checkout", *SMALL, "--json", cwd=tmp_path_factory.mktemp("st"))


def setup(turns: int = 20, rounds: int = 5, **options: object) -> Setup:
    asked = msgspec.convert(options, Options)
    return checked(asked, Problems(), [Strategy()], rounds=rounds, turns=turns)


class Unseen:
    """Progress that nobody looks at."""

    def watch(self, tally: Tally) -> None:
        pass


def played(trial: Trial, jobs: int = 1) -> Turns:
    with TemporaryDirectory() as room:
        course = run_trial(trial, jobs, Unseen(), Path(room))
        assert course.stopped == ""
        return course.columns().turns


# The command


def test_a_self_test_passes_and_tells_nothing_on_standard_error(tested: Done) -> None:
    assert (tested.code, tested.err) == (0, "")
    assert json.loads(tested.out)["state"] == "PASS"


def test_its_json_is_the_stored_one_and_has_every_figure(tested: Done) -> None:
    told = msgspec.json.decode(tested.out, type=SelftestSummary)
    (folder,) = (tested.cwd / "results").iterdir()
    assert "selftest-checkout-virtual-s1" in folder.name
    kept = (folder / "selftest.json").read_bytes()
    assert msgspec.json.decode(kept, type=SelftestSummary) == told
    assert (told.pairs, told.turns, told.rounds, told.clock) == (6, 10, 5, "virtual")
    found = told.calibration
    assert [row.quantile for row in found.false_alarms] == [0.5, 0.95, 0.99]
    assert [row.pairs for row in found.false_alarms] == [6, 0, 0]  # too few turns for the others
    assert [row.slowed_percent for row in found.detections] == [2.0, 5.0, 10.0, 20.0]
    assert all((row.stage, row.pairs) == ("pay", 10) for row in found.detections)
    assert found.twins is not None and (found.twins.turns, found.twins.unequal) == (20, 0)
    assert [order.what for order in found.order] == ["slot", "carry-over"]
    assert (len(told.equal_pairs), len(told.slowed_pairs)) == (6, 40)
    assert told.health.due == told.health.finished == 6 * 20 + 2 * 20 + 10 * 50


def test_a_self_test_is_no_run_and_latest_does_not_name_it(tested: Done) -> None:
    assert not tested.latest.exists()


@pytest.mark.parametrize(
    ("options", "mends"),
    [
        ({"pairs": "1"}, ["--pairs"]),
        ({"rounds": "4"}, ["--rounds must be a whole number from 5"]),
        ({"flows": "503"}, ["take 520"]),
        ({"flows": "20", "primary": "p99"}, ["--primary p99: take 380 or more"]),
        ({"primary": "middle"}, ["as p95"]),
        ({"stage": "encrypt"}, ["take pay, session, intent, confirm"]),
        ({"stage": "session", "pay": "stripe"}, ["take pay, intent, confirm"]),
        ({"clock": "real", "stage": "pay"}, ["leave it out"]),
        ({"strategy": "hurry", "jobs": "0", "pay": "gpt-4o"}, ["--strategy", "--jobs", "--pay"]),
    ],
)
def test_a_wrong_self_test_is_told_with_its_mend(
    options: dict[str, str], mends: list[str], tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as told:
        selftest(**options, out=str(tmp_path))  # type: ignore[arg-type]
    assert len(told.value.problems) == len(mends)
    assert all(mend in line for mend, line in zip(mends, told.value.problems, strict=True))


@pytest.mark.parametrize(
    ("verdicts", "invalid", "state"),
    [
        (["cannot tell"] * 60, [], "PASS"),
        (["regressed", "improved"] * 6 + ["cannot tell"] * 48, [], "FAIL"),
        ([], [], "CANNOT TELL"),
        (["regressed"] * 60, ["interrupted"], "INVALID"),
    ],
)
def test_a_broken_machinery_fails_and_an_invalid_run_says_nothing_of_it(
    verdicts: list[Verdict], invalid: list[str], state: str
) -> None:
    figures = [
        PairFigures(
            pair=pair, arm="B", quantile=0.5, ms=1.0, lo_ms=0.5, hi_ms=1.5, percent=1.0,
            percent_lo=0.5, percent_hi=1.5, p=0.01, verdict=verdict,
        )
        for pair, verdict in enumerate(verdicts)
    ]  # fmt: skip
    row = calibration.false_alarms(figures, 0.5, 20)
    told, because = state_of(Calibration(primary=0.5, rounds=20, false_alarms=[row]), invalid)
    assert (told, len(because)) == (state, 1)


@pytest.mark.parametrize(
    ("state", "code"), [("PASS", 0), ("FAIL", 1), ("CANNOT TELL", 3), ("INVALID", 4)]
)
def test_each_state_has_its_exit_code(
    state: State,
    code: int,
    tested: Done,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = msgspec.json.decode(tested.out, type=SelftestSummary)
    ended = msgspec.structs.replace(told, state=state)
    monkeypatch.setattr("harness.cli.selftest._run", lambda asked: (ended, Path("results/x")))
    assert selftest(out=str(tested.cwd / "results")) == code
    assert f"{state}  " in capsys.readouterr().out


# What is played


def test_arms_of_a_pair_are_equal_in_one_weather_and_meet_weather_of_their_own() -> None:
    whole = trial_of(setup(), 1, "pay", [5.0])
    assert whole.twins is not None
    trial = Trial(whole.same, whole.twins)
    turns = played(trial)
    (same,), (twins,) = whole.same.pairings, whole.twins.pairings
    assert calibration.twins_of(turns, twins, False).unequal == 0
    apart = calibration.twins_of(turns, same, False)
    assert apart.unequal == apart.turns == 20


def test_pairs_are_the_same_whoever_plays_them() -> None:
    trial = Trial(trial_of(setup(), 2, "pay", [5.0]).same)
    one, two = (
        calibration.pairs_of(played(trial, jobs), trial.same.pairings[0], [0.5], 1)
        for jobs in (1, 2)
    )
    assert one == two and len(one) == 2


def test_parts_share_no_round_and_take_all_of_them() -> None:
    trial = trial_of(setup(), 3, "pay", [2.0, 5.0])
    rounds = [round_ for part in trial.parts for round_ in part.rounds]
    assert rounds == list(range(trial.rounds))
    assert trial.turns == 3 * 40 + 2 * 40 + 10 * 60


@pytest.mark.parametrize("stage", ["pay", "session", "intent", "confirm"])
def test_a_slowed_stage_slows_its_calls_by_so_much_and_no_other(stage: str) -> None:
    normal = setup(turns=50, scenario="conversation")
    first = Part((normal,), 1, 0, keeps_spans=True)
    second = Part((slowed(normal, stage, 0.2),), 1, 0, keeps_spans=True)
    before, after = Rows(), Rows()
    for part, rows in ((first, before), (second, after)):
        Play((part,))(normal, 1, rows.add)
    assert len(before.spans) == len(after.spans) > 0
    calls = {"session": ("session", "refresh")}.get(stage, (stage,))
    for old, new in zip(
        sorted(before.spans, key=_place), sorted(after.spans, key=_place), strict=True
    ):
        if old.provider:
            times = 1.2 if old.stage in calls else 1.0
            assert new.injected_ms == pytest.approx(times * old.injected_ms, abs=0.003)


def test_the_roles_of_a_scenario_can_be_slowed_and_behind_a_gateway_too() -> None:
    behind = setup(scenario="failover")
    assert stages_of(behind) == ["pay", "session", "intent", "confirm"]
    slow = slowed(behind, "intent", 0.5)
    name = slow.speaking.roles["intent"]
    assert name != slow.speaking.roles["confirm"]
    assert slow.mocks.fallbacks[name] == behind.mocks.fallbacks["gpt-4o"]
    assert slow.mocks.models[name].latency.ttft_p50_ms == pytest.approx(1.5 * 550)
    assert stages_of(setup(scenario="fraud_checked"))[-1] == "score"


def test_the_real_clock_has_equal_arms_alone() -> None:
    trial = trial_of(setup(clock="real"), 3, "pay", [5.0])
    assert (trial.twins, trial.slowed) == (None, None)
    seeds = {(arm.seed, arm.mocks.seed) for arm in trial.same.arms}
    assert len(seeds) == 1


def _place(span: SpanRow) -> tuple[int, int, str, int]:
    return span.conversation, span.turn, span.stage, span.attempt


# What must hold of the default comparison, in full


@pytest.mark.slow
def test_of_200_equal_pairs_no_more_are_called_different_than_9_percent_could_be() -> None:
    trial = Trial(trial_of(setup(1000, 20), 200, "pay", []).same)
    turns = played(trial, os.cpu_count() or 1)
    figures = calibration.pairs_of(turns, trial.same.pairings[0], QUANTILES, 1)
    rows = [calibration.false_alarms(figures, q, 20) for q in QUANTILES]
    for row in rows:
        print(row)
    assert rows[0].pairs == 200
    assert rows[0].rate_hi is not None and rows[0].rate_hi <= 0.09


@pytest.mark.slow
def test_5_percent_on_any_stage_is_found_in_95_of_100_runs_and_never_with_the_wrong_sign() -> None:
    normal = setup(1000, 20)
    part = Part((normal, *_slowed_by_stage(normal)), 100, 0)
    turns = played(Trial(part), os.cpu_count() or 1)
    for pairing in part.pairings:
        figures = calibration.pairs_of(turns, pairing, [0.5], 1)
        found = calibration.detection(figures, pairing.second, 5.0, 20)
        print(found)
        assert found.pairs == 100
        assert found.caught >= 95
        assert found.wrong_sign == 0


def _slowed_by_stage(normal: Setup) -> Iterator[Setup]:
    for stage in stages_of(normal):
        slow = slowed(normal, stage, 0.05)
        (variant,) = slow.variants
        yield replace(slow, variants=(replace(variant, name=stage),))
