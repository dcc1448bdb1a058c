"""The fee chart: every schedule, every break-even and every provider's latency is on it."""

from matplotlib.figure import Figure
from matplotlib.text import Text
from msgspec.structs import replace

from harness.record import Rows, RunSummary, columns_of
from harness.report.charts import figure_of
from tests.report.test_costs import FEES, by_provider


def drawn(summary: RunSummary) -> Figure:
    return figure_of("fees", summary, columns_of(Rows()))


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}


def test_break_evens_and_floors_are_marked_with_their_amounts() -> None:
    assert {"16.67", "50.00", "78.95"} <= words(drawn(by_provider()))


def test_every_provider_is_in_the_legend_and_has_its_latency() -> None:
    figure = drawn(by_provider())
    assert {fee.name for fee in FEES} <= words(figure)
    _, lower = figure.axes
    tracks = [line for line in lower.lines if len(line.get_xdata()) == 4]  # type: ignore[arg-type]
    assert len(tracks) == len(FEES)


def test_the_title_says_who_is_cheapest_where() -> None:
    assert "alipay-ai is the cheapest at 1 CNY, flat at 1,000 CNY" in words(drawn(by_provider()))
    alone = replace(by_provider(), fees=FEES[:1])
    assert "wechat-ai is the cheapest of 1 from 1 to 1,000 CNY" in words(drawn(alone))


def test_a_run_without_fees_has_an_empty_chart() -> None:
    assert "No fees to show" in words(drawn(replace(by_provider(), fees=[])))
