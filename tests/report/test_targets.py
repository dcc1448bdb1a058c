"""Who was asked in reality is told wherever a run is: in tables, on pages, in charts."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from rich.console import Console

from harness.record import Columns, RunSummary, SpentSummary, TargetKind, TargetSummary, columns_of
from harness.report.charts.page import page_for
from harness.report.load import load_figures, open_run_lines, print_load
from harness.report.markdown import run_markdown
from harness.report.page import page
from harness.report.page.facts import unmodelled
from harness.report.targets import endpoints_text, target_sentences
from harness.report.terminal import print_report
from tests.report.sample import sample_run

SPENT = SpentSummary(
    requests={"openai": 1200, "stripe": 84}, orders={"stripe": 42}, usd=0.123456, held_back=3
)


def targets(*kinds: tuple[str, TargetKind]) -> dict[str, TargetSummary]:
    return {
        name: TargetSummary(kind=kind, why=f"why {name}", payments=name in ("stripe", "wechat-ai"))
        for name, kind in kinds
    }


@pytest.fixture(scope="module")
def mixed() -> tuple[RunSummary, Columns]:
    run, rows = sample_run(("prewarm",), rounds=6)
    told = targets(("openai", "real"), ("stripe", "sandbox"), ("wechat-ai", "mock"))
    run = replace(run, clock="real", endpoints="mixed", targets=told, spent=SPENT)
    return replace(run, parameters={"rate": 5.0}), columns_of(rows)


def test_a_run_on_mocks_says_nothing_of_it() -> None:
    run, _ = sample_run(("prewarm",), rounds=6)
    assert list(target_sentences(run)) == []
    assert endpoints_text(run) == "mocked endpoints"


def test_who_was_what_is_one_sentence(mixed: tuple[RunSummary, Columns]) -> None:
    who, least, both, spent = target_sentences(mixed[0])
    assert who == ("asked in reality: openai; asked in their sandboxes: stripe; mocked: wechat-ai")
    assert least.startswith("orders at payment providers were of the least amount")
    assert "a turn adds real calls to mocked ones" in both
    assert spent == (
        "requests: openai 1,200, stripe 84; orders: stripe 42; tokens for about 0.1235 USD; "
        "3 requests held back, so as not to ask too often"
    )


@pytest.mark.parametrize(
    ("kinds", "sentences"),
    [
        ([("openai", "real"), ("stripe", "mock")], 3),
        ([("openai", "real"), ("stripe", "sandbox")], 3),
        ([("openai", "real")], 2),
    ],
    ids=["the payment mocked", "all real", "models alone"],
)
def test_only_what_is_so_is_told(
    mixed: tuple[RunSummary, Columns],
    kinds: Sequence[tuple[str, TargetKind]],
    sentences: int,
) -> None:
    endpoints: Literal["mixed", "real"] = "mixed" if ("stripe", "mock") in kinds else "real"
    run = replace(mixed[0], endpoints=endpoints, targets=targets(*kinds))
    assert len(list(target_sentences(run))) == sentences


def test_orders_that_are_open_are_told_last(mixed: tuple[RunSummary, Columns]) -> None:
    run = replace(mixed[0], spent=replace(SPENT, left_open=2))
    assert list(target_sentences(run))[-1].endswith("; 2 orders left open")
    run = replace(run, spent=replace(SPENT, left_open=1, running_out=2, run_out_by="T"))
    assert list(target_sentences(run))[-1].endswith(
        "; 1 order left open; 2 orders that nobody can close or pay run out by T"
    )


def test_what_nobody_counted_is_not_told(mixed: tuple[RunSummary, Columns]) -> None:
    run = replace(mixed[0], spent=SpentSummary(orders={"stripe": 1}))
    assert list(target_sentences(run))[-1] == "orders: stripe 1"
    assert len(list(target_sentences(replace(run, spent=SpentSummary())))) == 3


def test_models_that_were_asked_in_reality_are_named(mixed: tuple[RunSummary, Columns]) -> None:
    told = {
        "openai": TargetSummary(kind="real", models={"intent": "a", "confirm": "a", "score": "b"}),
        "mistral": TargetSummary(kind="mock", models={"reason": "c"}),
    }
    who = next(target_sentences(replace(mixed[0], targets=told)))
    assert who == "asked in reality: openai (a, b); mocked: mistral"


def test_it_is_told_by_every_report(mixed: tuple[RunSummary, Columns]) -> None:
    run, columns = mixed
    who = next(target_sentences(run))
    console = Console(width=80, file=io.StringIO(), record=True)
    print_report(run, "results/x", console)
    assert who in " ".join(console.export_text().split())
    print_load(run, load_figures(run, columns, "results/x"), console)
    loaded = " ".join(console.export_text().split())
    assert "real clock, mixed" in loaded
    assert who in loaded
    assert who in " ".join(open_run_lines(run, columns, Path("results/x")))
    markdown = run_markdown(run)
    assert who in markdown
    assert "endpoints partly real, partly mocked" in markdown
    html = page(run, {})
    assert who[1:] in html
    assert "Who was asked" in html
    assert "why wechat-ai" in html
    footer = page_for(1.0, "title", run).figure.texts[-1].get_text()
    assert "mixed endpoints" in footer


def test_what_mocks_leave_out_is_told_of_mocks_alone(mixed: tuple[RunSummary, Columns]) -> None:
    run, _ = mixed
    paid = [replace(v, pay="stripe+wechat-ai") for v in run.variants]
    left_out = unmodelled(replace(run, variants=paid))
    assert any(line.startswith("wechat-ai: ") for line in left_out)
    assert not any(line.startswith("stripe: ") for line in left_out)
    assert unmodelled(replace(run, endpoints="real", variants=paid)) == []
