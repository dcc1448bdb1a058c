"""Fees, tokens and claims in words; the figures are checked against the article's by hand."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import ClaimSummary, FeeSummary, RunSummary
from harness.report.charts import charts_of
from harness.report.costs import (
    claim_sentence,
    cost_sentence,
    fee_sentences,
    provenance_sentence,
)
from harness.report.terminal import print_report

from .sample import sample_run

FEES = [
    FeeSummary(
        name=name,
        rate=rate,
        fixed_minor=fixed,
        minimum_minor=minimum,
        monthly_minimum_minor=monthly,
        provenance="article",
    )
    for name, rate, fixed, minimum, monthly in (
        ("wechat-ai", 0.006, 0.0, 10.0, 0),
        ("flat", 0.0, 30.0, 0.0, 0),
        ("alipay-ai", 0.0038, 0.0, 0.0, 5_000_000),
    )
]
CLAIM = ClaimSummary(
    claimed="claimed",
    measured="measured",
    claimed_label_ms=100.0,
    measured_label_ms=750.0,
    claimed_call_ms=200.0,
    measured_call_ms=1600.0,
)


def by_provider() -> RunSummary:
    """A run of one strategy across three providers."""
    summary, _ = sample_run((), rounds=6, turns=20)
    (only,) = summary.variants
    variants = [replace(only, name=fee.name, pay=fee.name) for fee in FEES]
    return replace(summary, variants=variants, effects=[], fees=FEES)


def rendered(summary: RunSummary) -> str:
    file = io.StringIO()
    print_report(summary, "results/x", Console(file=file, width=80))
    return file.getvalue()


def test_the_articles_break_evens_are_told() -> None:
    told = fee_sentences(FEES[:2])
    assert told == [
        "wechat-ai: below 16.67 CNY only its minimum of 0.10 CNY is paid",
        "wechat-ai and flat meet at 50.00 CNY: wechat-ai is cheaper below, flat above",
    ]


def test_a_claim_is_told_with_its_gap() -> None:
    told = claim_sentence(CLAIM)
    assert "claimed answers a 5-token label in 100 ms and a 60-token call in 200 ms" in told
    assert "takes 750 and 1600 ms: 7.5 and 8.0 times as long" in told


def test_provenance_is_told_once_for_each_origin_and_provider() -> None:
    told = provenance_sentence(
        {"a fee": "article", "a overhead": "article", "b fee": "assumed", "gpt": "measured"}
    )
    assert told == "article: a fee/overhead; assumed: b fee; measured: gpt"


def test_the_cost_is_fee_and_tokens_and_says_so() -> None:
    summary, _ = sample_run((), rounds=4, turns=20)
    (only,) = summary.variants
    variant = replace(
        only, fee_minor_mean=60.0, amount_minor_mean=10_000.0, token_cost_minor_mean=1.5
    )
    assert cost_sentence([variant]) == (
        "Of the cost, 0.60 CNY is the payment fee, 0.6% of what was paid, and 0.015 CNY the tokens."
    )
    assert "0.61 CNY" in rendered(replace(summary, variants=[variant]))  # 61.5 fen, to even


def test_across_providers_each_ones_fee_is_told_as_a_part_of_the_amount() -> None:
    variants = [
        replace(v, fee_minor_mean=50.0, amount_minor_mean=1000.0) for v in by_provider().variants
    ]
    told = cost_sentence(variants)
    assert told.endswith("wechat-ai 5.0%, flat 5.0%, alipay-ai 5.0%.")


def test_a_report_across_providers_names_them_and_their_fees_at_80_columns() -> None:
    text = rendered(by_provider())
    assert max(map(len, text.splitlines())) <= 80
    assert "a provider" in text.splitlines()[0]
    table = text.split("What a payment costs by its amount, CNY")[1]
    row = next(line for line in table.splitlines() if line.startswith("alipay-ai"))
    assert row.split() == ["alipay-ai", "0.004", "0.04", "0.19", "0.38", "3.80", "article"]
    assert "What each mitigation changes" not in text


def test_both_readings_of_the_monthly_minimum_are_told() -> None:
    lines = rendered(by_provider()).splitlines()
    start = next(n for n, line in enumerate(lines) if "payments a month" in line)
    assert lines[start].split() == [
        "payments",
        "a",
        "month",
        "if",
        "of",
        "fees",
        "if",
        "of",
        "volume",
    ]
    assert lines[start + 2].split()[:2] == ["10,000", "5.00"]


def test_claims_are_part_of_the_report() -> None:
    summary, _ = sample_run((), rounds=4, turns=20)
    assert "7.5 and 8.0" in " ".join(rendered(replace(summary, claims=[CLAIM])).split())


def test_what_users_took_to_approve_is_told_apart() -> None:
    summary, _ = sample_run((), rounds=4, turns=20)
    (only,) = summary.variants
    text = rendered(replace(summary, variants=[replace(only, human_ms_mean=4321.0)]))
    assert "own time to approve, in none of these figures: baseline 4321 ms" in text
    assert "approve" not in rendered(summary)


@pytest.mark.parametrize(
    ("summary", "charts"),
    [
        (by_provider(), ["fees"]),
        (sample_run(("prewarm",), rounds=6, turns=20)[0], ["effects"]),
    ],
)
def test_fees_are_drawn_for_providers_and_effects_for_strategies(
    summary: RunSummary, charts: list[str]
) -> None:
    assert [name for name in charts_of(summary) if name in ("fees", "effects")] == charts
