"""`tollbench compare` from its command line to the files that it leaves."""

from pathlib import Path

import msgspec
import pytest

from harness.record import RunSummary
from tests.cli.command import SMALL, Done, tollbench

CHARTS = (
    "effects", "shift", "percentiles", "ecdf", "attribution", "waterfall", "in_flight", "heat",
    "rounds",
)  # fmt: skip
FILES = {
    "run.json",
    "flows.parquet",
    "spans.parquet",
    "report.html",
    *(f"{chart}.{kind}" for chart in CHARTS for kind in ("svg", "png")),
}
CONTRACT = {
    "schema", "run_id", "tool_version", "versions", "scenario", "parameters", "clock", "endpoints",
    "seed", "rounds", "rounds_finished", "started_at", "began_unix_s", "wall_s", "argv", "machine",
    "profiles", "provenance", "rows_sha256", "files", "valid", "invalid_because", "health", "level",
    "effect_level", "tolerance", "primary", "looks", "warm_up", "variants", "effects",
    "simple_effects", "attribution", "shifts", "round_figures", "in_flight", "capacity",
    "fees", "claims", "cold_starts", "failures", "slos", "engines", "targets", "spent",
    "faults", "reconciliation", "resilience",
}  # fmt: skip
OF_A_VARIANT = {
    "name", "prewarm", "token_cache", "parallel_confirm", "factors", "pay", "turns",
    "p50_ms", "p50_ms_lo", "p50_ms_hi", "p95_ms", "p95_ms_lo", "p95_ms_hi",
    "p99_ms", "p99_ms_lo", "p99_ms_hi", "slo", "calls_per_turn", "wasted_prewarms",
    "stale_tokens", "reversals", "corrections", "guarded", "errors", "fee_minor_mean",
    "amount_minor_mean", "token_cost_minor_mean", "human_ms_mean", "critical_ms",
    "quantiles", "percentiles", "strata",
}  # fmt: skip
OF_AN_EFFECT = {
    "factor", "given", "quantile", "estimate_ms", "lo_ms", "hi_ms", "percent", "percent_lo",
    "percent_hi", "p", "p_holm", "primary", "verdict", "exploratory", "rounds_needed",
}  # fmt: skip
OF_A_FEE = {
    "name", "rate", "fixed_minor", "minimum_minor", "monthly_minimum_minor", "provenance",
}  # fmt: skip


def test_a_comparison_passes_and_tells_nothing_on_standard_error(compared: Done) -> None:
    assert (compared.code, compared.err) == (0, "")


def test_a_run_leaves_its_rows_its_summary_and_its_charts(compared: Done) -> None:
    (run,) = (path for path in (compared.cwd / "results").iterdir() if path.name != "latest")
    assert {path.name for path in run.iterdir()} == FILES
    assert all(path.stat().st_size for path in run.iterdir())
    assert compared.latest.is_symlink()
    assert compared.latest.resolve() == run.resolve()
    assert f"results  results/{run.name}\n" in compared.out


def test_run_json_has_every_field_of_the_contract(compared: Done) -> None:
    told = msgspec.json.decode((compared.latest / "run.json").read_bytes(), type=dict[str, object])
    assert told.keys() == CONTRACT
    variants = msgspec.convert(told["variants"], list[dict[str, object]])
    effects = msgspec.convert(told["effects"], list[dict[str, object]])
    fees = msgspec.convert(told["fees"], list[dict[str, object]])
    assert {frozenset(variant) for variant in variants} == {frozenset(OF_A_VARIANT)}
    assert {frozenset(effect) for effect in effects} == {frozenset(OF_AN_EFFECT)}
    assert {frozenset(fee) for fee in fees} == {frozenset(OF_A_FEE)}
    assert told["claims"] == []  # gpt-4o's figures were measured.


def test_run_json_tells_what_was_run(compared: Done) -> None:
    summary, rows = compared.stored
    assert (summary.scenario, summary.clock, summary.endpoints) == (
        "conversation",
        "virtual",
        "mock",
    )
    assert summary.argv == ["compare", "--flows", "40", "--rounds", "4", "--jobs", "2"]
    assert summary.run_id == compared.latest.resolve().name
    assert (summary.rounds, summary.rounds_finished, summary.seed) == (4, 4, 1)
    assert summary.parameters.items() >= {"rate": 50.0, "think_scale": 1.0, "turns": 5}.items()
    assert summary.profiles.keys() == {"wechat-ai", "gpt-4o"}
    assert (summary.valid, summary.invalid_because) == (True, [])
    assert [(variant.turns, variant.pay) for variant in summary.variants] == [(40, "wechat-ai")] * 8
    assert [(fee.name, fee.rate) for fee in summary.fees] == [("wechat-ai", 0.006)]
    assert len(rows.flows) == summary.health.finished == 8 * 40


def test_the_report_fits_80_columns(compared: Done) -> None:
    lines = compared.out.splitlines()
    assert len(lines) > 30
    # The path is never broken, so that it can be copied.
    assert [line for line in lines if len(line) > 80 and not line.startswith("results")] == []
    assert "…" not in compared.out


@pytest.mark.parametrize(
    ("vary", "strategies"),
    [
        ("prewarm", ["baseline", "prewarm"]),
        pytest.param(
            "token-cache, prewarm",
            ["baseline", "token_cache", "prewarm", "prewarm+token_cache"],
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_json_tells_of_all_combinations_of_what_is_varied_and_nothing_else(
    vary: str, strategies: list[str], tmp_path: Path
) -> None:
    done = tollbench("compare", *SMALL, "--vary", vary, "--jobs", "2", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    # The JSON of run.json, and nothing else.
    assert done.out == (done.latest / "run.json").read_text("utf-8")
    summary = msgspec.json.decode(done.out, type=RunSummary)
    assert {variant.name for variant in summary.variants} == set(strategies)
    assert len(summary.variants) == len(strategies)
    factors = {effect.factor for effect in summary.effects}
    assert factors == ({"prewarm", "token_cache", "prewarm:token_cache"} if "," in vary else {vary})


@pytest.mark.thorough
def test_a_sweep_stores_a_run_and_shows_a_column_for_each_share(tmp_path: Path) -> None:
    done = tollbench("compare", *SMALL, "--sweep-session-share", "--jobs", "2", cwd=tmp_path)
    assert done.code == 0
    headers = [line.split() for line in done.out.splitlines() if line.startswith("mitigation")]
    assert headers == [["mitigation", "20%", "40%", "60%", "80%"]]  # too few turns for p95
    assert all(len(line) <= 80 for line in done.out.splitlines() if "results" not in line)
    runs = sorted(path for path in (tmp_path / "results").iterdir() if path.name != "latest")
    shares, hashes = [], set()
    for run in runs:
        summary = msgspec.json.decode((run / "run.json").read_bytes(), type=RunSummary)
        shares.append(summary.parameters["session_share"])
        hashes.add(summary.rows_sha256)
        assert f"results  results/{run.name}\n" in done.out
    assert shares == [0.2, 0.4, 0.6, 0.8]
    assert len(hashes) == 4
