"""What payments cost, in words and tables: fees by amount, tokens, claims; it computes no fee."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.record import ClaimSummary, FeeSummary, RunSummary, VariantSummary
from harness.report.words import is_black_box, pays_apart
from harness.stats.fees import break_evens, fee_minor, floor_ends_minor, with_minimum_minor

AMOUNTS_MINOR = (100, 1000, 5000, 10_000, 100_000)
LEAST_MINOR, MOST_MINOR = 100, 100_000
"""From 1 to 1,000 CNY."""

PAYMENTS_A_MONTH = (10_000, 100_000, 1_000_000)


def cost_sentence(variants: Sequence[VariantSummary]) -> str:
    """What the mean cost of a turn is made of, over all variants; where they pay by different
    providers, what part of the amount each one's fee is."""
    if is_black_box(variants):
        return "What payments and tokens cost is not seen from outside the app."
    if pays_apart(variants):
        shares = (f"{v.pay} {v.fee_minor_mean / max(1, v.amount_minor_mean):.1%}" for v in variants)
        return f"The payment fee's part of what was paid: {', '.join(shares)}."
    fee = sum(v.fee_minor_mean for v in variants) / len(variants)
    tokens = sum(v.token_cost_minor_mean for v in variants) / len(variants)
    amount = sum(v.amount_minor_mean for v in variants) / len(variants)
    if not amount and not fee and not tokens:
        return "What payments and tokens cost was not told by any turn."
    share = f", {fee / amount:.1%} of what was paid" if amount else ""
    return f"Of the cost, {_cny(fee)} is the payment fee{share}, and {_cny(tokens, 3)} the tokens."


def claim_sentence(claim: ClaimSummary) -> str:
    """The gap between a claim and what was measured, in medians."""
    times = claim.measured_label_ms / claim.claimed_label_ms
    return (
        f"{claim.claimed} answers a 5-token label in {claim.claimed_label_ms:.0f} ms and a "
        f"60-token call in {claim.claimed_call_ms:.0f} ms; {claim.measured}, as others measured "
        f"it, takes {claim.measured_label_ms:.0f} and {claim.measured_call_ms:.0f} ms: "
        f"{times:.1f} and {claim.measured_call_ms / claim.claimed_call_ms:.1f} times as long"
    )


def provenance_sentence(provenance: Mapping[str, str]) -> str:
    """Whose figures were replayed: by origin, each provider once with the figures meant."""
    origins: dict[str, dict[str, list[str]]] = {}
    for named, origin in provenance.items():
        name, _, figure = named.partition(" ")
        origins.setdefault(origin, {}).setdefault(name, []).append(figure)
    return "; ".join(
        f"{origin}: "
        + ", ".join(f"{name} {'/'.join(figures)}".rstrip() for name, figures in names.items())
        for origin, names in origins.items()
    )


def print_fees(summary: RunSummary, console: Console) -> None:
    """Fees by amount, where they break even, and what a monthly minimum would make of them."""
    console.print()
    console.print(Text("What a payment costs by its amount, CNY", style="bold"))
    console.print(_fee_table(summary.fees))
    for sentence in fee_sentences(summary.fees):
        print_hanging("-", Text(sentence), console)
    for fee in summary.fees:
        if fee.monthly_minimum_minor:
            _print_minimum(fee, _mean_amount_minor(summary), console)


def fee_sentences(fees: Sequence[FeeSummary]) -> list[str]:
    floors = [
        f"{fee.name}: below {_cny(end)} only its minimum of {_cny(fee.minimum_minor)} is paid"
        for fee in fees
        if (end := floor_ends_minor(fee)) and end > LEAST_MINOR
    ]
    meetings = [
        f"{at.cheaper_below} and {at.cheaper_above} meet at {_cny(at.amount_minor)}: "
        f"{at.cheaper_below} is cheaper below, {at.cheaper_above} above"
        for at in break_evens(fees, LEAST_MINOR, MOST_MINOR)
    ]
    return floors + meetings


def _fee_table(fees: Sequence[FeeSummary]) -> Table:
    table = _table()
    table.add_column("fee")
    for amount in AMOUNTS_MINOR:
        table.add_column(f"{amount // 100:,}", justify="right")
    table.add_column("whose figure", justify="right")
    for fee in fees:
        costs = [_figure(fee_minor(fee, amount)) for amount in AMOUNTS_MINOR]
        table.add_row(fee.name, *costs, fee.provenance)
    return table


def _print_minimum(fee: FeeSummary, amount_minor: float, console: Console) -> None:
    """Both readings of a monthly minimum whose source does not say what it is of."""
    console.print()
    minimum = f"{fee.monthly_minimum_minor / 100:,.0f} CNY"
    text = (
        f"{fee.name} has a monthly minimum of {minimum}; its source does not say of what. "
        f"What a payment of {_cny(amount_minor)}, this run's mean, then costs, CNY:"
    )
    console.print(Text(text))
    table = _table()
    table.add_column("payments a month", justify="right")
    table.add_column("if of fees", justify="right")
    table.add_column("if of volume", justify="right")
    for payments in PAYMENTS_A_MONTH:
        of_fees, of_volume = with_minimum_minor(fee, amount_minor, payments)
        table.add_row(f"{payments:,}", f"{of_fees / 100:.2f}", f"{of_volume / 100:.2f}")
    console.print(table)


def print_hanging(mark: Text | str, body: Text, console: Console) -> None:
    """Print the body beside its mark, so that wrapped lines stay clear of the mark."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(mark, body)
    console.print(grid)


def _mean_amount_minor(summary: RunSummary) -> float:
    means = [v.amount_minor_mean for v in summary.variants if v.turns]
    return sum(means) / len(means) if means else 0.0


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style=""
    )


def _figure(minor: float) -> str:
    """In CNY, to the fen or, below one, to a tenth of it."""
    return f"{minor / 100:.2f}" if minor >= 1 or minor == 0 else f"{minor / 100:.3f}"


def _cny(minor: float, decimals: int = 2) -> str:
    return f"{minor / 100:,.{decimals}f} CNY"
