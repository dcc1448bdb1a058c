"""The table of session shares: a column for each, whatever the figures and their number."""

import io
from itertools import product

import msgspec
import pytest
from rich.console import Console

from harness.record import EffectSummary, RunSummary
from harness.report.session_share import print_session_shares
from tests.report.sample import sample_run

SHARES = (0.2, 0.4, 0.6, 0.8)
SAMPLE, _ = sample_run(rounds=4, turns=10)

Runs = list[tuple[float, RunSummary, str]]


def _effect(factor: str, quantile: float, estimate_ms: float, reach_ms: float) -> EffectSummary:
    return EffectSummary(
        factor=factor,
        quantile=quantile,
        estimate_ms=estimate_ms,
        lo_ms=estimate_ms - reach_ms,
        hi_ms=estimate_ms + reach_ms,
    )


def _runs(*factors: str, scale: float = 100.0, shares: tuple[float, ...] = SHARES) -> Runs:
    """Every effect is -share times the scale, so each column has figures of its own."""
    return [
        (
            share,
            msgspec.structs.replace(
                SAMPLE,
                effects=[
                    _effect(factor, quantile, -share * scale, 10.0)
                    for factor, quantile in product(factors, (0.5, 0.95))
                ],
            ),
            f"results/run-{share:g}",
        )
        for share in shares
    ]


def _printed(runs: Runs) -> str:
    out = io.StringIO()
    print_session_shares(runs, Console(file=out, width=80, color_system=None))
    return out.getvalue()


MAINS = ("prewarm", "token_cache", "parallel_confirm")


def test_a_table_a_quantile_has_a_column_a_share_and_a_row_a_mitigation() -> None:
    lines = [line.rstrip() for line in _printed(_runs(*MAINS)).splitlines()]
    assert [line.split()[2] for line in lines if line.startswith("Change at")] == ["p50", "p95"]
    headers = [line.split() for line in lines if line.startswith("mitigation")]
    assert headers == [["mitigation", "20%", "40%", "60%", "80%"]] * 2
    rows = [line.split() for line in lines if line.startswith("pre-warming")]
    assert rows == [["pre-warming", "-20", "-40", "-60", "-80"]] * 2
    assert next(line.split() for line in lines if line.startswith(" ")) == [
        "[-30,", "-10]", "[-50,", "-30]", "[-70,", "-50]", "[-90,", "-70]",
    ]  # fmt: skip


@pytest.mark.parametrize(("scale", "last"), [(1.0, "-1"), (100.0, "-80"), (9999.0, "-7999")])
def test_figures_of_any_size_fit_80_columns_uncut(scale: float, last: str) -> None:
    told = _printed(_runs(*MAINS, scale=scale))
    assert all(len(line) <= 80 for line in told.splitlines())
    assert "…" not in told
    assert told.count(f" {last}\n") == 2 * len(MAINS)


def test_interactions_are_left_to_the_runs_own_reports() -> None:
    assert " x " not in _printed(_runs(*MAINS, "prewarm:token_cache"))


def test_an_effect_that_a_run_does_not_have_is_unknown() -> None:
    runs = [*_runs("prewarm", shares=(0.2,)), *_runs("prewarm", "token_cache", shares=(0.4,))]
    rows = [line.split() for line in _printed(runs).splitlines() if line.startswith("token")]
    assert rows[0] == ["token", "caching", "unknown", "-40"]


def test_every_run_says_whether_to_believe_it_and_where_it_is() -> None:
    runs = _runs("prewarm")
    share, summary, path = runs[1]
    reasons = ["interrupted after 1 of 4 rounds", "[1] secret"]
    invalid = msgspec.structs.replace(summary, valid=False, invalid_because=reasons)
    lines = _printed([runs[0], (share, invalid, path), *runs[2:]]).splitlines()
    assert lines[-8:] == [
        "20%  VALID",
        "     results  results/run-0.2",
        "40%  INVALID interrupted after 1 of 4 rounds; [1] secret",
        "     results  results/run-0.4",
        "60%  VALID",
        "     results  results/run-0.6",
        "80%  VALID",
        "     results  results/run-0.8",
    ]


def test_runs_without_effects_still_tell_where_they_are() -> None:
    assert _printed(_runs()).splitlines()[0] == "20%  VALID"
