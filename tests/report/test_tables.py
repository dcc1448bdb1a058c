"""The tables of a page: rectangular, and every number the one that run.json holds at its place."""

from collections.abc import Callable

import pytest
from msgspec import structs

from harness.record import RunSummary
from harness.report.page import cold_starts, effects, facts, fees, tables
from harness.report.page.cells import Cell, Table, change, ms, place, probability, share
from harness.report.words import factor_name, percentile
from harness.stats.fees import fee_minor
from tests.report.told import Told, as_json, found, mistakes
from tests.report.whole import RUNS

TABLES: list[Callable[[RunSummary], Table | None]] = [
    effects.effects_table,
    effects.simple_effects_table,
    effects.attribution_table,
    tables.strategies_table,
    tables.percentiles_table,
    tables.shifts_table,
    tables.budgets_table,
    tables.stages_table,
    tables.in_flight_table,
    tables.capacity_table,
    tables.rounds_table,
    tables.medians_table,
    tables.strata_table,
    tables.effective_table,
    tables.cost_table,
    cold_starts.openings_table,
    cold_starts.first_requests_table,
    fees.fees_table,
    fees.fee_rules_table,
    facts.health_table,
    facts.looks_table,
    facts.claims_table,
    facts.provenance_table,
    facts.reproduction_table,
    facts.parameters_table,
]

every_run = pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))


def _told(cells: tuple[Cell, ...]) -> list[Told]:
    return [Told(cell.text, cell.run, cell.times) for cell in cells if cell.run]


def _tables(run: RunSummary) -> list[Table]:
    return [table for make in TABLES if (table := make(run))]


@every_run
def test_every_number_is_the_one_at_its_place(run: RunSummary) -> None:
    rows, document = [row for table in _tables(run) for row in table.rows], as_json(run)
    assert [wrong for row in rows for wrong in mistakes(_told(row), document)] == []


@every_run
def test_a_cell_with_digits_says_where_they_are_from(run: RunSummary) -> None:
    cells = [cell for table in _tables(run) for row in table.rows for cell in row[1:]]
    lost = [c.text for c in cells if any(map(str.isdigit, c.text)) and not (c.run or c.derived)]
    assert [text for text in lost if text not in ("a 5-token label", "a 60-token call")] == [
        text for text in lost if text.startswith("no: ")
    ]


@every_run
def test_a_row_is_as_wide_as_the_header(run: RunSummary) -> None:
    for table in _tables(run):
        assert {len(row) for row in table.rows} <= {len(table.header)}, table.caption
        assert len(table.figures) == len(table.header), table.caption


def test_the_tables_have_something_to_say_of_some_run() -> None:
    empty = [
        make.__name__
        for make in TABLES
        if not any((table := make(run)) and table.rows for run in RUNS.values())
    ]
    assert empty == []


def test_a_place_survives_every_name() -> None:
    document = {"provenance": {"gpt-4o a/b~c %": {"1s": [7]}}}
    pointer = place("provenance", "gpt-4o a/b~c %", "1s", 0)
    assert " " not in pointer
    assert found(document, pointer) == 7


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (ms(None, "/x"), "unknown"),
        (ms(-0.0, "/x"), "0.0"),
        (ms(-388.4, "/x"), "\N{MINUS SIGN}388"),
        (change(-388.4, -397.2, 9.1, ()), "\N{MINUS SIGN}388 [\N{MINUS SIGN}397, 9]"),
        (change(-388.4, None, None, ()), "\N{MINUS SIGN}388 [unknown]"),
        (share(0.0, "/x"), "0%"),
        (share(0.0001, "/x"), "0.1%"),
        (share(0.9999, "/x"), "99.9%"),
        (share(1.0, "/x"), "100%"),
        (share(None, "/x"), "unknown"),
        (probability(0.0009, "/x"), "<\N{NO-BREAK SPACE}0.001"),
        (probability(0.0312, "/x"), "0.031"),
    ],
)  # fmt: skip
def test_a_figure_is_written(cell: Cell, text: str) -> None:
    assert cell.text == text


def test_a_fee_by_amount_is_the_fee_of_that_amount() -> None:
    run = RUNS["providers"]
    table = fees.fees_table(run)
    for fee, row in zip(run.fees, table.rows, strict=True):
        for amount, cell in zip(table.header[1:-1], row[1:-1], strict=True):
            minor = fee_minor(fee, 100 * float(amount.replace(",", "")))
            assert float(cell.text) == pytest.approx(minor / 100, abs=0.005)


def test_an_interaction_is_no_improvement_and_no_regression() -> None:
    run = RUNS["compared"]
    for effect in run.effects:
        cell = effects.verdict_cell(structs.replace(effect, verdict="regressed"))
        assert cell.verdict == ("unchanged" if ":" in effect.factor else "regressed")


def test_what_only_its_own_interval_decides_is_marked_and_explained() -> None:
    run = RUNS["compared"]
    table = effects.effects_table(run)
    marked = [row[:2] for row in table.rows if row[6].text == "cannot tell?"]
    assert [(name.text, at.text) for name, at in marked] == [
        (factor_name(e.factor), percentile(e.quantile)) for e in run.effects if e.exploratory
    ]
    assert ("token caching", "p99") in [(name.text, at.text) for name, at in marked]
    assert "own interval would decide" in table.note
    decided = [structs.replace(effect, exploratory=False) for effect in run.effects]
    assert "own interval" not in effects.effects_table(structs.replace(run, effects=decided)).note


def test_a_count_that_nobody_has_is_a_sentence_and_no_column() -> None:
    table = tables.cost_table(RUNS["compared"])
    assert "reversals" not in table.header
    assert "no reversals" in table.note


def test_what_a_mock_leaves_out_goes_by_who_was_paid() -> None:
    run = RUNS["providers"]
    assert any(line.startswith("alipay-ai: ") for line in facts.unmodelled(run))
    assert not any(line.startswith("stripe") for line in facts.unmodelled(run))
    assert facts.unmodelled(structs.replace(run, endpoints="real")) == []
    gateways = [structs.replace(run.variants[0], pay=pay) for pay in ("unionpay", "unionpay-ai")]
    told = facts.unmodelled(structs.replace(run, variants=gateways))
    assert sum(line.startswith("unionpay: ") for line in told) == 1
    assert sum(line.startswith("unionpay-ai: ") for line in told) == 1
