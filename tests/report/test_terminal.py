"""The report fits 80 columns and hides nothing; this file never opens a real terminal."""

import io
import re

import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import RunSummary, VariantSummary
from harness.report.terminal import print_report

from .sample import FACTORS, sample_run

PATH = "results/20260101-000000-checkout"


def rendered(summary: RunSummary, *, terminal: bool = False, currency: str = "CNY") -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=80, force_terminal=terminal, color_system="standard" if terminal else None
    )
    print_report(summary, PATH, console, currency=currency)
    return file.getvalue()


def with_variants(summary: RunSummary, **changes: object) -> RunSummary:
    return replace(summary, variants=[replace(v, **changes) for v in summary.variants])


def stretched(variant: VariantSummary, factor: float) -> VariantSummary:
    figures = [f"{q}_ms{end}" for q in ("p50", "p95", "p99") for end in ("", "_lo", "_hi")]
    return replace(
        variant,
        critical_ms={stage: ms * factor for stage, ms in variant.critical_ms.items()},
        **{name: getattr(variant, name) * factor for name in figures},
    )


@pytest.fixture(scope="module")
def full() -> RunSummary:
    return sample_run()[0]


@pytest.fixture(scope="module")
def troubled() -> RunSummary:
    return sample_run(rounds=4, error_share=0.1)[0]


@pytest.fixture(scope="module")
def slow(full: RunSummary) -> RunSummary:
    return replace(full, variants=[stretched(v, 9.0) for v in full.variants])


@pytest.fixture(scope="module")
def one_factor() -> RunSummary:
    return sample_run(FACTORS[:1], rounds=3, turns=10)[0]


@pytest.fixture(scope="module")
def two_factors() -> RunSummary:
    return sample_run(FACTORS[1:], error_share=0.02)[0]


@pytest.fixture(scope="module")
def one_strategy() -> RunSummary:
    return sample_run((), rounds=2, turns=5)[0]


@pytest.mark.parametrize(
    "run", ["full", "troubled", "slow", "one_factor", "two_factors", "one_strategy"]
)
def test_nothing_is_cut_off_at_80_columns(run: str, request: pytest.FixtureRequest) -> None:
    text = rendered(request.getfixturevalue(run))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text


def test_every_interval_is_in_one_piece(full: RunSummary) -> None:
    lines = rendered(full).splitlines()
    for v in full.variants:
        cell = f"{v.p95_ms:.0f} [{v.p95_ms_lo:.0f}, {v.p95_ms_hi:.0f}]"
        assert any(cell in line for line in lines)


def test_intervals_move_below_their_estimates_where_80_columns_are_too_few(
    slow: RunSummary,
) -> None:
    lines = [line.split() for line in rendered(slow).splitlines()]
    baseline = slow.variants[0]
    at = next(i for i, words in enumerate(lines) if f"{baseline.p50_ms:.0f}" in words)
    assert lines[at + 1][:2] == [f"[{baseline.p50_ms_lo:.0f},", f"{baseline.p50_ms_hi:.0f}]"]


def test_the_parts_come_in_the_promised_order(full: RunSummary) -> None:
    text = rendered(full)
    parts = [
        "checkout  virtual clock, mock  seed 7  1000 turns a strategy  20 rounds\n",
        "Response time, ms, with 95% intervals",
        "Turns answered within a budget",
        "What each mitigation changes",
        "-  pre-warming saves",
        "Where the time goes",
        "VALID  measurement error p50 0.00 ms, p99 0.00 ms; start lag p99 0.00 ms",
        f"results  {PATH}\n",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_mark_column_stands_for_each_varied_mitigation_and_no_other(
    two_factors: RunSummary, one_strategy: RunSummary
) -> None:
    text = rendered(two_factors)
    assert "parallel" in text and "warm  " not in text.split("Turns answered")[0]
    assert "●" not in rendered(one_strategy)


def test_a_mitigation_that_was_always_on_is_named(one_factor: RunSummary) -> None:
    text = rendered(with_variants(one_factor, token_cache=True))
    assert "on throughout: token caching\n" in text


def test_a_quantile_without_enough_turns_says_so(one_factor: RunSummary) -> None:
    assert rendered(one_factor).count("n too small") == 4


def test_a_quantile_among_failed_turns_is_called_never_and_explained(
    troubled: RunSummary, full: RunSummary
) -> None:
    assert "never: so many turns failed" in rendered(troubled)
    assert "never" not in rendered(full)


def test_a_report_without_a_terminal_has_no_colour_codes(full: RunSummary) -> None:
    assert "\x1b" not in rendered(full)


def test_only_the_fastest_p50_is_bold_and_so_is_one_that_reads_the_same(full: RunSummary) -> None:
    bold_p50 = re.compile(r"\x1b\[1m *2\d{3} \[")
    assert len(bold_p50.findall(rendered(full, terminal=True))) == 1
    tied = with_variants(full, p50_ms=2741.3)
    assert len(bold_p50.findall(rendered(tied, terminal=True))) == len(full.variants)


def test_errors_and_corrections_get_columns_where_they_fit_and_a_line_where_not(
    two_factors: RunSummary, troubled: RunSummary, one_factor: RunSummary
) -> None:
    text = rendered(two_factors)
    assert "errors" in text and "errors:" not in text and "corrections: parallel_confirm" in text
    assert "errors: baseline" in rendered(troubled)
    clean = with_variants(one_factor, errors=0, corrections=0)
    assert "errors" not in rendered(clean) and "correc" not in rendered(clean)


@pytest.mark.parametrize(("currency", "fee"), [("CNY", "0.31 CNY"), ("JPY", "31 JPY")])
def test_a_fee_is_told_in_its_currency(one_factor: RunSummary, currency: str, fee: str) -> None:
    assert fee in rendered(with_variants(one_factor, fee_minor_mean=31.0), currency=currency)


@pytest.mark.parametrize(
    ("share", "text"), [(1.0, " 100%"), (0.99999, "99.9%"), (0.0, " 0%"), (0.00001, "0.1%")]
)
def test_only_every_turn_is_100_percent_and_only_none_is_0(
    one_factor: RunSummary, share: float, text: str
) -> None:
    run = with_variants(one_factor, slo={"1s": share, "3s": 0.5, "5s": 0.5})
    assert text in rendered(run).split("Turns answered")[1].split("What each")[0]


def test_critical_path_shares_add_up_with_the_unnamed_stages_as_other(full: RunSummary) -> None:
    run = with_variants(
        full, critical_ms={"intent": 50.0, "pay": 25.0, "refund": 20.0, "key": 4.0, "own": 1.0}
    )
    stages = rendered(run).split("Where the time goes")[1].splitlines()
    assert stages[2].split() == [
        "warm",
        "cache",
        "confirm",
        *["intent", "pay", "refund", "other", "mean"],
    ]
    assert stages[4].split()[3:] == ["50", "50%", "25", "25%", "20", "20%", "5", "5%", "100"]


def test_stages_that_leave_no_rest_leave_no_minus_zero(full: RunSummary) -> None:
    stages = {"confirm": 0.7, "pay": 0.1, "session": 0.2, "intent": 0.3}
    assert " -0" not in rendered(with_variants(full, critical_ms=stages)).split("Where the time")[1]


def test_a_notable_stage_goes_to_other_where_80_columns_are_too_few(slow: RunSummary) -> None:
    stages = {"intent": 9e4, "session": 9e4, "pay": 9e4, "confirm": 9e4, "own time": 9e4}
    text = rendered(with_variants(slow, critical_ms=stages))
    assert "own time" not in text and max(len(line) for line in text.splitlines()) <= 80


def test_an_unknown_health_figure_is_called_unknown(full: RunSummary) -> None:
    health = replace(full.health, error_p50_ms=None, error_p99_ms=None, lag_p99_ms=None)
    text = " ".join(rendered(replace(full, health=health)).split())
    assert "error p50 unknown, p99 unknown; start lag p99 unknown; due 8000" in text


def test_turns_that_went_missing_are_not_written_as_equal(full: RunSummary) -> None:
    health = replace(full.health, finished=7990, failed=3, leaks=2)
    text = " ".join(rendered(replace(full, health=health)).split())
    assert "due 8000 = started 8000, finished 7990; failed 3; leaks 2" in text


def test_an_invalid_run_gives_its_reasons_instead_of_its_health(full: RunSummary) -> None:
    reasons = ["start lag p99 14.20 ms is above 1 ms", "due 8000 but started 7990 [of 20 rounds]"]
    text = rendered(replace(full, valid=False, invalid_because=reasons))
    assert " ".join(text.split()).count(f"INVALID {'; '.join(reasons)}") == 1
    assert "\nVALID" not in text


def test_an_unfinished_run_counts_its_rounds(full: RunSummary) -> None:
    assert "13/20 rounds" in rendered(replace(full, rounds_finished=13))


def test_a_run_without_a_single_turn_still_reports(full: RunSummary) -> None:
    empty = replace(full, variants=[], effects=[], valid=False, invalid_because=["no turn ended"])
    assert "INVALID  no turn ended" in rendered(empty)
