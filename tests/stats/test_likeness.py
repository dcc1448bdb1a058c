"""Two runs are alike until something that latency hangs on differs; this file measures nothing."""

import pytest
from msgspec.structs import replace

from harness.record import RunSummary, Stratum, TargetKind, TargetSummary
from harness.stats.likeness import likeness
from tests.report.sample import sample_run, series_run

RUN = sample_run(("prewarm",), rounds=6, turns=10)[0]


def with_variants(run: RunSummary, **changes: object) -> RunSummary:
    return replace(run, variants=[replace(v, **changes) for v in run.variants])


def with_cold(run: RunSummary, cold: int) -> RunSummary:
    strata = [Stratum(name="cold", turns=cold, quantiles=[])]
    return with_variants(run, strata=strata)


def test_a_run_is_like_itself_and_met_the_same_weather() -> None:
    alike = likeness(RUN, RUN)
    assert alike.strategies == ["baseline", "prewarm"]
    assert (alike.differences, alike.notes, alike.paired) == ([], [], True)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"clock": "real"}, "clock: virtual, real"),
        ({"endpoints": "staging"}, "endpoints: mock, staging"),
        ({"scenario": "refund"}, "scenario: checkout, refund"),
        ({"parameters": {**RUN.parameters, "rate": 40.0}}, "parameter rate: unknown, 40.0"),
        ({"parameters": {}}, "parameter turns: 5, unknown"),
        ({"faults": {"lost": 0.01, "late": 1e-9}}, "fault lost: 0%, 1%; fault late: 0%, 1e-07%"),
        ({"profiles": {"mock": "1"}}, "profile mock: not the same figures"),
        ({"profiles": {"mock": "0", "stripe": "5"}}, "profile stripe: only in B"),
    ],
)
def test_runs_that_measure_different_things_are_unlike(
    changes: dict[str, object], difference: str
) -> None:
    assert likeness(RUN, replace(RUN, **changes)).differences == difference.split("; ")


def test_runs_that_asked_others_in_reality_are_unlike() -> None:
    real, mock = TargetSummary(kind="real"), TargetSummary(kind="mock")
    one = replace(RUN, endpoints="mixed", targets={"openai": real, "stripe": mock})
    other = replace(RUN, endpoints="mixed", targets={"openai": mock, "stripe": mock})
    assert likeness(one, other).differences == ["target openai: real, mock"]
    assert likeness(one, one).differences == []


def test_runs_that_asked_other_models_in_reality_are_unlike() -> None:
    def asked(kind: TargetKind, **models: str) -> RunSummary:
        told = {"openai": TargetSummary(kind=kind, models=models)}
        return replace(RUN, endpoints="mixed", targets=told)

    one, other = asked("real", intent="a", confirm="b"), asked("real", intent="b", confirm="a")
    assert likeness(one, other).differences == [
        "target openai: real confirm=b intent=a, real confirm=a intent=b"
    ]
    assert likeness(one, one).differences == []
    # Of a mock it is the profile that tells.
    assert likeness(asked("mock", intent="a"), asked("mock", intent="b")).differences == []


def test_all_differences_are_told_at_once() -> None:
    other = replace(RUN, clock="real", scenario="refund", profiles={})
    assert len(likeness(RUN, other).differences) == 3


def test_strategies_that_pay_by_others_are_unlike() -> None:
    other = with_variants(RUN, pay="stripe")
    assert likeness(RUN, other).differences == [
        "baseline pays by: wechat-ai, stripe",
        "prewarm pays by: wechat-ai, stripe",
    ]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"tool_version": "9.9"}, "tollbench: 0.1.0, 9.9"),
        ({"seed": 8}, "seed: 7, 8"),
        ({"machine": {"cpus": "64"}}, "machine cpus: 2, 64"),
        ({"versions": {"numpy": "2.4"}}, "library numpy: unknown, 2.4"),
    ],
)
def test_another_tool_machine_or_seed_is_noted_and_no_more(
    changes: dict[str, object], note: str
) -> None:
    alike = likeness(RUN, replace(RUN, **changes))
    assert (alike.differences, alike.notes) == ([], [note])


@pytest.mark.parametrize(
    "changes",
    [
        {"clock": "real"},
        {"seed": 8},
        {"scenario": "refund"},
        {"parameters": {}},
        {"rounds": 7},
        {"rounds_finished": 5},
    ],
)
def test_rounds_are_paired_only_where_they_met_the_same_weather(changes: dict[str, object]) -> None:
    other = replace(RUN, **changes)
    assert not likeness(RUN, other).paired and not likeness(other, RUN).paired


def test_two_runs_on_the_real_clock_are_never_paired() -> None:
    real = replace(RUN, clock="real")
    assert not likeness(real, real).paired


def test_other_figures_of_a_profile_scale_the_same_weather() -> None:
    assert likeness(RUN, replace(RUN, profiles={"mock": "1"})).paired


def test_only_strategies_with_turns_in_both_are_compared_and_the_others_named() -> None:
    base, warm = RUN.variants
    alike = likeness(RUN, replace(RUN, variants=[replace(base, turns=0), warm]))
    assert (alike.strategies, alike.notes) == (["prewarm"], ["only in A: baseline"])
    assert likeness(RUN, replace(RUN, variants=[])).strategies == []


@pytest.mark.parametrize(("cold", "matters"), [(24, False), (25, False), (26, True), (60, True)])
def test_rounds_of_another_size_matter_where_they_hold_other_turns(
    cold: int, matters: bool
) -> None:
    """12 of 60 turns are cold in the one run, and so many of 120 in the other."""
    ours, theirs = with_cold(RUN, 12), with_cold(with_variants(RUN, turns=120), cold)
    alike = likeness(ours, theirs)
    told = "rounds of another size, and with it the cold turns of baseline: 20%, "
    assert any(text.startswith(told) for text in alike.differences) == matters
    assert "turns a round: 10, 20" in alike.notes
    assert not alike.paired


def test_more_cold_turns_in_rounds_of_the_same_size_are_what_is_compared() -> None:
    assert likeness(with_cold(RUN, 12), with_cold(RUN, 48)).differences == []


@pytest.mark.parametrize(
    ("changes", "series"),
    [
        ({}, True),
        ({"rounds": 5}, False),
        ({"effects": RUN.effects}, False),
        ({"clock": "real"}, True),
    ],
)
def test_runs_of_one_round_that_vary_nothing_are_series(
    changes: dict[str, object], series: bool
) -> None:
    run = series_run((), turns=20)[0]
    other = replace(run, **changes)
    assert (likeness(run, other).series, likeness(other, run).series) == (series, series)


@pytest.mark.parametrize(
    ("ours", "theirs", "differences", "notes"),
    [
        ({"host": "http://a"}, {"host": "http://b"}, [], ["parameter host: http://a, http://b"]),
        (
            {"flow_rate": 1.0, "rate": 20.0},
            {"flow_rate": 1.0, "rate": 19.1},
            [],
            ["parameter rate: 20.0, 19.1"],
        ),
        (
            {"flow_rate": 1.0, "rate": 20.0},
            {"flow_rate": 1.0, "rate": 18.9},
            ["parameter rate: 20.0, 18.9"],
            [],
        ),
        ({"rate": 20.0}, {"rate": 19.9}, ["parameter rate: 20.0, 19.9"], []),
        (
            {"flow_rate": 1.0, "rate": 20.0},
            {"flow_rate": 2.0, "rate": 20.0},
            ["parameter flow_rate: 1.0, 2.0"],
            [],
        ),
    ],
)
def test_users_never_ask_for_quite_the_same_and_another_host_may_be_the_question(
    ours: dict[str, object], theirs: dict[str, object], differences: list[str], notes: list[str]
) -> None:
    alike = likeness(replace(RUN, parameters=ours), replace(RUN, parameters=theirs))
    assert (alike.differences, alike.notes) == (differences, notes)
