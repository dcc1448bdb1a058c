"""A run as Markdown: the verdict first, tables that nothing breaks, and never too long."""

import re

import pytest
from msgspec import structs

from harness.record import RunSummary
from harness.report.markdown import LIMIT, markdown_table, run_markdown, safe
from harness.report.page.cells import Cell, table
from harness.report.page.verdicts import sentences
from tests.report.whole import RUNS

every_run = pytest.mark.parametrize("run", RUNS.values(), ids=list(RUNS))


@every_run
def test_it_says_whether_the_run_is_valid_before_any_figure(run: RunSummary) -> None:
    title, _, state, *_ = run_markdown(run).splitlines()
    assert title.startswith("### tollbench: ")
    assert state.startswith("**VALID**" if run.valid else "**INVALID**")


def test_the_verdict_comes_before_the_plot_and_the_plot_before_the_tables() -> None:
    run = RUNS["compared"]
    text = run_markdown(run)
    first = text.index(safe(sentences(run)[0]))
    assert first < text.index("```text") < text.index("| strategy | turns |")


@every_run
def test_every_row_of_a_table_has_as_many_cells_as_its_header(run: RunSummary) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", run_markdown(run), flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1


def test_a_name_of_the_users_breaks_nothing() -> None:
    text = run_markdown(RUNS["compared"])
    assert "### tollbench: &lt;b>coffee&lt;/b> & \\| tea.py\n" in text
    odd = table("c", ("a", "b"), [(Cell("x|y\nz"), Cell("<i>*`_"))])
    assert "| x\\|y z | &lt;i>\\*\\`\\_ |" in list(markdown_table(odd))


def test_nothing_in_the_command_ends_the_code_that_it_stands_in() -> None:
    run = structs.replace(RUNS["compared"], argv=["compare", "a```b.py"])
    *_, code, _ = run_markdown(run).split("\n````")
    assert "a```b.py" in code


def test_the_plot_has_a_line_for_each_effect_at_the_primary_quantile() -> None:
    run = RUNS["compared"]
    (plot,) = re.findall(r"```text\n(.*?)```", run_markdown(run), flags=re.DOTALL)
    *rows, scale = plot.splitlines()
    primary = [effect for effect in run.effects if effect.quantile == run.primary]
    assert len(rows) == len(primary)
    assert all(effect.verdict in row or ":" in effect.factor
               for effect, row in zip(primary, rows, strict=True))  # fmt: skip
    assert scale.strip().startswith("percent")  # the scale of the tolerance


def test_it_tells_how_to_have_the_run_again() -> None:
    run = RUNS["compared"]
    text = run_markdown(run)
    assert "tollbench compare '<b>coffee</b> & | tea.py' --set most_minor=2500" in text
    assert text.endswith(f"rows {run.rows_sha256}\n")


def test_a_long_one_loses_what_is_folded_and_then_its_end() -> None:
    run = RUNS["compared"]
    many = structs.replace(run, effects=run.effects * 200)
    told = run_markdown(
        structs.replace(many, effects=[e for e in many.effects if e.quantile > 0.5])
    )
    assert "<details>" not in told
    assert told.endswith(f"rows {run.rows_sha256}\n")
    endless = structs.replace(run, valid=False, invalid_because=["so long a reason"] * 9_000)
    cut = run_markdown(endless)
    assert len(cut.encode()) <= LIMIT
    assert cut.endswith("Cut off here: report.html tells all of it.\n")
