"""The report fits 80 columns and hides nothing; this file never opens a real terminal."""

import io
import re

import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import (
    Attribution,
    EffectSummary,
    Looks,
    QuantileSummary,
    RunSummary,
    StagePart,
    Tolerance,
    VariantSummary,
    WarmUp,
)
from harness.report.notes import note_sentences
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


def with_p50(variant: VariantSummary, ms: float) -> VariantSummary:
    first, *others = variant.quantiles
    return replace(variant, p50_ms=ms, quantiles=[replace(first, ms=ms), *others])


def with_effects(summary: RunSummary, **changes: object) -> RunSummary:
    return replace(summary, effects=[replace(e, **changes) for e in summary.effects])


def stretched(variant: VariantSummary, factor: float) -> VariantSummary:
    figures = [f"{q}_ms{end}" for q in ("p50", "p95", "p99") for end in ("", "_lo", "_hi")]
    return replace(
        variant,
        critical_ms={stage: ms * factor for stage, ms in variant.critical_ms.items()},
        quantiles=[scaled(point, factor) for point in variant.quantiles],
        **{name: getattr(variant, name) * factor for name in figures},
    )


def scaled(point: QuantileSummary, factor: float) -> QuantileSummary:
    figures = {name: getattr(point, name) for name in ("ms", "lo_ms", "hi_ms")}
    return replace(point, **{name: ms and ms * factor for name, ms in figures.items()})


def part(text: str, heading: str) -> list[str]:
    """The lines from a heading to the next blank one."""
    return text.split(heading)[1].split("\n\n")[0].splitlines()


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
        "\nVerdict\n",
        "-  pre-warming saves",
        "What each mitigation changes at p50, with 95% intervals (below 0 saves)",
        "The same at p95 and p99, ms",
        "One mitigation beside another that changes what it does",
        "Which stages the change of the mean comes from, ms",
        "Response time, ms, with 95% intervals",
        "Cold turns, which open a session, and steady ones: p50, ms",
        "Turns answered within a budget",
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
    response_times = part(rendered(one_factor), "Response time")
    assert "\n".join(response_times).count("n too small") == 4


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
    tied = replace(full, variants=[with_p50(v, 2741.3) for v in full.variants])
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
    assert text in rendered(run).split("Turns answered")[1]


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
    assert "own time" not in text.split("Where the time goes")[1]
    assert max(len(line) for line in text.splitlines()) <= 80


def test_an_unknown_health_figure_is_called_unknown(full: RunSummary) -> None:
    health = replace(full.health, error_p50_ms=None, error_p99_ms=None, lag_p99_ms=None)
    text = " ".join(rendered(replace(full, health=health)).split())
    assert "error p50 unknown, p99 unknown; start lag p99 unknown; due 8000" in text


def test_turns_that_went_missing_are_not_written_as_equal(full: RunSummary) -> None:
    health = replace(full.health, finished=7990, failed=3, leaks=2)
    text = " ".join(rendered(replace(full, health=health)).split())
    assert "due 8000 = started 8000, finished 7990 + failed 3; leaks 2" in text


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


def test_a_forest_plot_shows_each_effect_at_the_primary_quantile(full: RunSummary) -> None:
    *lines, scale = part(rendered(full), "(below 0 saves)\n")
    effects = [effect for effect in full.effects if effect.quantile == 0.5]
    words = {"improved": "improved", "regressed": "overlap", "cannot tell": "cannot tell"}
    assert [line[:21].strip() for line in lines] == [
        "pre-warming", "", "token caching", "", "parallel confirmation", "",
        "pre-warming x", "token caching",
        "pre-warming x", "parallel confirmation",
        "token caching x", "parallel confirmation",
        "pre-warming x", "token caching x", "parallel confirmation",
    ]  # fmt: skip
    assert scale.split()[0] == "ms" and max(map(len, lines)) <= 80
    assert {effect.verdict for effect in effects} == set(words)
    for effect, line in zip(effects, lines[:14:2], strict=True):
        assert f" {effect.estimate_ms:z.0f} ms [" in line
        assert line.count("●") == 1 and line.endswith(f"  {words[effect.verdict]}")
    for effect, line in zip(effects, lines[1:14:2], strict=True):
        assert f" {effect.percent:z.1f}% [" in line


def test_the_verdict_is_told_at_the_primary_quantile_and_where_another_says_otherwise(
    full: RunSummary,
) -> None:
    lines = " ".join("\n".join(part(rendered(full), "Verdict\n")).split())
    assert lines.count("-  ") <= 3 and "p95" not in lines
    turned = [
        replace(e, verdict="regressed", estimate_ms=90.0, lo_ms=80.0, hi_ms=99.0)
        if (e.factor, e.quantile) == ("prewarm", 0.95)
        else e
        for e in full.effects
    ]
    text = " ".join(rendered(replace(full, effects=turned)).split())
    assert "- but pre-warming costs 90 ms at p95 [80, 99]" in text


def test_a_primary_quantile_among_failed_turns_is_no_verdict(full: RunSummary) -> None:
    only = replace(full, effects=[e for e in full.effects if e.quantile == 0.95])
    first = only.effects[0]
    text = " ".join(rendered(only).split())
    assert "nothing can be said at p50" in text
    assert f"- pre-warming saves {-first.estimate_ms:.0f} ms at p95 [" in text
    assert "What each mitigation changes" not in text and "The same at p95" in text


def test_a_tolerance_draws_the_scale_it_is_on(full: RunSummary) -> None:
    text = rendered(replace(full, tolerance=Tolerance(5.0, "%")))
    assert ": marks the tolerance, 5% either way." in text
    lines = part(text, "(below 0 saves)\n")
    assert lines[0].endswith("improved") and "%" in lines[0] and ":" in lines[0]
    assert lines[1].split()[1] == "ms" and lines[-1].split()[0] == "percent"
    assert ": marks" not in rendered(full)


def test_what_only_its_own_interval_decides_is_marked_and_the_mark_explained(
    full: RunSummary,
) -> None:
    text = rendered(with_effects(full, verdict="cannot tell", exploratory=True))
    assert text.count("cannot tell?") == len(full.effects) == 21
    assert "? its own interval would decide" in text
    marked = [effect for effect in full.effects if effect.exploratory]
    assert rendered(full).count("cannot tell?") == len(marked) > 0
    assert "?" not in rendered(with_effects(full, exploratory=False))


def test_a_mitigation_is_told_beside_another_that_changes_it(full: RunSummary) -> None:
    simple = [
        EffectSummary(
            factor="prewarm", quantile=0.5, estimate_ms=ms, lo_ms=ms - 9, hi_ms=ms + 9,
            given={"token_cache": cache, "parallel_confirm": False}, verdict="improved",
        )
        for ms, cache in ((-390.0, False), (-20.0, True))
    ]  # fmt: skip
    lines = part(rendered(replace(full, simple_effects=simple)), "changes what it does\n")
    assert " ".join(" ".join(lines).split()) == (
        "- pre-warming at p50: alone it saves 390 ms [381, 399]; "
        "with token caching on it saves 20 ms [11, 29]"
    )
    assert "changes what it does" not in rendered(replace(full, simple_effects=[]))
    undecided = [replace(e, verdict="cannot tell") if ":" in e.factor else e for e in full.effects]
    assert "changes what it does" not in rendered(replace(full, effects=undecided))


def test_the_stages_of_a_change_are_named_from_the_largest_and_add_up(full: RunSummary) -> None:
    of = Attribution(
        factor="parallel_confirm",
        quantile=None,
        total_ms=-973.2,
        parts=[
            StagePart(stage="pay", ms=37.2),
            StagePart(stage="confirm", ms=-1010.0),
            StagePart(stage="key", ms=-0.3),
            StagePart(stage="own", ms=-0.1),
        ],
    )
    at_a_quantile = replace(of, quantile=0.5)
    beside = replace(of, given={"prewarm": True})
    run = replace(full, attribution=[of, at_a_quantile, beside])
    (line,) = part(rendered(run), "comes from, ms\n")
    assert line.rstrip() == "-  parallel confirmation -973: confirm -1010, pay +37"


def test_cold_and_steady_turns_have_a_table_where_a_strategy_has_both(full: RunSummary) -> None:
    lines = part(rendered(full), "steady ones: p50, ms\n")
    assert len(lines) == 3 + len(full.variants)
    assert lines[3].split()[3] == "200" and lines[3].count("[") == 2
    cold = [
        replace(v, strata=[replace(s, turns=s.turns * (s.name == "cold")) for s in v.strata])
        for v in full.variants
    ]
    assert "steady ones" not in rendered(replace(full, variants=cold))
    first = replace(full, variants=[*cold[:1], *full.variants[1:]])
    row = part(rendered(first), "steady ones: p50, ms\n")[3]
    assert row.count("[") == 1 and row.split()[-1] == "0"


def test_an_invalid_run_says_so_before_any_figure(full: RunSummary) -> None:
    text = rendered(replace(full, valid=False, invalid_because=["3 turns never ended"]))
    assert text.index("INVALID: no figure") < text.index("Verdict")
    assert "INVALID  3 turns never ended" in text
    assert "INVALID" not in rendered(full)


LOOKS = Looks(planned=[10, 20, 40], used=2, ended="certain", alpha=0.05)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"looks": LOOKS, "effect_level": 0.9833, "rounds": 40},
            "stopped at look 2 of 3, certain after 20 of 40 rounds; intervals of changes are "
            "98.33% each, so that all looks together hold 95%",
        ),
        (
            {"looks": replace(LOOKS, used=3, ended="last look"), "effect_level": 0.99},
            "looked 3 times, as declared, and not certain after 20 of 20 rounds; intervals of "
            "changes are 99% each, so that all looks together hold 95%",
        ),
        (
            {"looks": replace(LOOKS, ended="stopped"), "rounds": 40},
            "cut off after 2 of 3 looks and 20 of 40 rounds; intervals of changes are 95% each, "
            "so that all looks together hold 95%",
        ),
        (
            {"warm_up": WarmUp(discarded_turns=8, transients={"prewarm": 115})},
            "the first turns differ from the rest by more than chance (MSER-5 would cut "
            "pre-warming 115), beyond the 8 turns left out to warm up: warm up longer",
        ),
        (
            {"rounds_finished": 4},
            "fewer than 5 rounds: nothing tells how alike the turns of a round are, and intervals "
            "take turns to be independent",
        ),
    ],
)
def test_a_note_tells_what_weighs_on_the_figures(
    full: RunSummary, changes: dict[str, object], note: str
) -> None:
    run = replace(full, **changes)
    assert note_sentences(run) == [note]
    assert note in " ".join(rendered(run).split())


def test_turns_that_are_worth_far_fewer_are_told_of_once(full: RunSummary) -> None:
    assert note_sentences(full) == []
    alike = [
        replace(v, quantiles=[replace(p, effective_turns=share * v.turns) for p in v.quantiles])
        for v, share in zip(full.variants, (0.3, 0.2, *[0.9] * 6), strict=True)
    ]
    (note,) = note_sentences(replace(full, variants=alike))
    second = full.variants[1]
    assert note.startswith("turns of a round resemble each other: p50 of ")
    assert note.endswith(f"no better than from 200 independent turns of its {second.turns}")


def test_more_quantiles_than_fit_go_to_a_table_below(full: RunSummary) -> None:
    more = [
        replace(
            v,
            quantiles=[
                replace(p, quantile=q) for p in v.quantiles[:1] for q in (0.1, 0.5, 0.75, 0.9)
            ],
        )
        for v in full.variants
    ]
    text = rendered(replace(full, variants=more))
    heads = [line.split()[-1] for line in text.splitlines() if re.search(r"\bp(75|90)$", line)]
    assert heads == ["p75", "p90"]
