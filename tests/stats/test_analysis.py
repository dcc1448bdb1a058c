"""From rows to all figures of a run: what is asked is answered, and the same rows give the same."""

import msgspec
import numpy as np
import pytest

from harness.record import (
    Columns,
    EffectSummary,
    Health,
    Rows,
    RunSummary,
    WarmUp,
    columns_of,
    rows_of,
    sort,
)
from harness.stats.analysis import Findings, Question, analyse, with_findings
from tests.record.sample import widened
from tests.stats.by_hand import ALL, BASE, THREE, WARM, Named, columns, factorial_turns, flow, flows
from tests.worlds import one_round

ALONE = Question(factors=("prewarm",))


def sorted_columns(rows: Rows) -> Columns:
    sort(rows)
    return columns_of(rows)


def factorial(factors: tuple[str, ...] = THREE, strategies: list[Named] = ALL) -> Findings:
    return analyse(columns(factorial_turns()), strategies, Question(factors=factors))


def by_name(effects: list[EffectSummary], q: float) -> dict[str, EffectSummary]:
    return {effect.factor: effect for effect in effects if effect.quantile == q}


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_all_combinations_give_every_effect_with_bounds(q: float) -> None:
    found = by_name(factorial().effects, q)
    estimates = {name: effect.estimate_ms for name, effect in found.items()}
    assert estimates == pytest.approx(
        {
            "prewarm": -200,
            "token_cache": 100,
            "parallel_confirm": 0,
            "prewarm:token_cache": 200,
            "prewarm:parallel_confirm": 0,
            "token_cache:parallel_confirm": 0,
            "prewarm:token_cache:parallel_confirm": 0,
        },
        abs=1e-9,
    )
    for effect in found.values():
        assert effect.lo_ms is not None and effect.hi_ms is not None
    assert {effect.primary for effect in found.values()} == ({True, False} if q == 0.5 else {False})


def test_simple_effects_tell_the_settings_that_they_hold_for() -> None:
    found = {
        tuple(effect.given.items()): effect.estimate_ms
        for effect in factorial().simple_effects
        if (effect.factor, effect.quantile) == ("prewarm", 0.5)
    }
    assert found == pytest.approx(
        {
            (("token_cache", cached), ("parallel_confirm", parallel)): -100 if cached else -300
            for cached in (False, True)
            for parallel in (False, True)
        }
    )


def test_the_order_of_strategies_and_factors_does_not_change_an_effect() -> None:
    one = by_name(factorial().effects, 0.5)
    other = by_name(factorial(THREE[::-1], ALL[::-1]).effects, 0.5)
    assert other["prewarm"].estimate_ms == pytest.approx(one["prewarm"].estimate_ms)
    assert other["token_cache:prewarm"].estimate_ms == pytest.approx(200)


def test_one_factor_may_vary_alone() -> None:
    found = analyse(
        columns(flows([1000.0] * 80) + flows([700.0] * 80, variant="warm")), [BASE, WARM], ALONE
    )
    assert [(one.factor, one.quantile, one.estimate_ms) for one in found.effects] == [
        ("prewarm", 0.5, -300),
        ("prewarm", 0.95, -300),
    ]
    assert found.simple_effects == []


def test_a_strategy_that_fails_often_does_not_look_faster() -> None:
    values = np.linspace(900, 1100, 100).tolist()
    failures = [flow(1.0, variant="warm", outcome="error", round=n % 5) for n in range(20)]
    turns = flows(values) + flows(values[:80], variant="warm") + failures
    found = analyse(columns(turns), [BASE, WARM], ALONE)
    assert [effect.quantile for effect in found.effects] == [0.5]
    assert found.effects[0].estimate_ms >= 0


def test_without_a_factor_or_with_a_strategy_that_has_no_turn_there_are_no_effects() -> None:
    some = columns(flows([1.0] * 9))
    for strategies, factors in (([BASE], ()), ([BASE, WARM], ()), ([BASE, WARM], ("prewarm",))):
        found = analyse(some, strategies, Question(factors=factors))
        assert (found.effects, found.simple_effects, found.attribution) == ([], [], [])
        assert [one.name for one in found.variants] == [one.name for one in strategies]


@pytest.mark.parametrize(
    ("strategies", "factors"),
    [(ALL[:-1], THREE), ([BASE, BASE], ("prewarm",)), ([BASE], ("prewarm",)), (ALL, ("prewarm",))],
)
def test_strategies_that_are_not_all_combinations_are_refused(
    strategies: list[Named], factors: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match="not all combinations"):
        analyse(columns(factorial_turns()), strategies, Question(factors=factors))


def test_a_run_without_a_turn_or_without_a_variant_has_nothing_to_say() -> None:
    for strategies in ([], [BASE], [BASE, WARM]):
        found = analyse(columns([]), strategies, Question())
        assert [one.turns for one in found.variants] == [0] * len(strategies)
        assert (found.shifts, found.in_flight, found.transients) == ([], [], {})


def test_figures_of_the_same_rows_are_the_same_to_the_last_bit() -> None:
    tally = one_round(turns=8)
    names = sorted({row.variant for row in tally.rows.flows})
    strategies = [Named(name) for name in names]
    first = sorted_columns(tally.rows)
    again = sorted_columns(rows_of(first))
    one, other = (analyse(found, strategies, Question(seed=3)) for found in (first, again))
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


def test_no_figure_hangs_on_how_narrow_columns_are() -> None:
    """Rounds and conversations that fit into a byte each, but no product of them does."""
    narrow = columns(factorial_turns())
    shifted = [
        msgspec.structs.replace(row, round=row.round + 100, conversation=row.conversation + 100)
        for row in rows_of(narrow).flows
    ]
    narrow = columns(shifted)
    assert narrow.turns.round.dtype == np.int8
    wide = Columns(widened(narrow.turns), widened(narrow.spans))
    one, other = (analyse(found, ALL, Question(factors=THREE)) for found in (narrow, wide))
    assert one.in_flight and one.effects
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


RUN = RunSummary(
    run_id="r",
    tool_version="1",
    scenario="s",
    parameters={},
    clock="virtual",
    endpoints="mock",
    seed=1,
    rounds=1,
    rounds_finished=1,
    started_at="",
    wall_s=0.0,
    argv=[],
    machine={},
    profiles={},
    rows_sha256="",
    valid=True,
    invalid_because=[],
    health=Health(
        error_p50_ms=None,
        error_p99_ms=None,
        lag_p99_ms=None,
        due=0,
        started=0,
        finished=0,
        failed=0,
        leaks=0,
    ),
    warm_up=WarmUp(discarded_turns=8),
    variants=[],
    effects=[],
)


def test_findings_go_into_a_run_whole_and_change_nothing_else() -> None:
    found = factorial()
    run = with_findings(RUN, found)
    for name in Findings.__dataclass_fields__:
        if name != "transients":
            assert getattr(run, name) == getattr(found, name)
    assert run.warm_up == WarmUp(discarded_turns=8, transients=found.transients)
    cleared = with_findings(run, Findings(variants=[]))
    assert cleared == RUN


def test_all_findings_survive_json() -> None:
    run = with_findings(RUN, factorial())
    assert msgspec.json.decode(msgspec.json.encode(run), type=RunSummary) == run
