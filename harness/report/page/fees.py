"""Fees by amount as tables; the fee of an amount is computed elsewhere, and nothing else is."""

from harness.record import RunSummary
from harness.report.costs import AMOUNTS_MINOR
from harness.report.page.cells import Cell, Table, money, name_of, place, table
from harness.stats.fees import fee_minor


def fees_table(summary: RunSummary) -> Table:
    """What a payment costs by its amount."""
    return table(
        "What a payment costs by its amount, CNY",
        ("fee of", *(f"{amount // 100:,}" for amount in AMOUNTS_MINOR), "whose figure"),
        [
            (
                name_of(fee.name),
                *(_cost(fee_minor(fee, amount)) for amount in AMOUNTS_MINOR),
                Cell(fee.provenance, (place("fees", i, "provenance"),)),
            )
            for i, fee in enumerate(summary.fees)
        ],
    )


def fee_rules_table(summary: RunSummary) -> Table:
    """The rule behind each fee: the larger of a minimum and a rate with a fixed part."""
    rows = []
    for i, fee in enumerate(summary.fees):
        at = place("fees", i)
        monthly = fee.monthly_minimum_minor
        rows.append(
            (
                name_of(fee.name),
                Cell(f"{100 * fee.rate:.2f} %", (at + "/rate",), 100),
                money(fee.fixed_minor, at + "/fixed_minor"),
                money(fee.minimum_minor, at + "/minimum_minor"),
                money(monthly, at + "/monthly_minimum_minor") if monthly else Cell("none"),
                Cell(fee.provenance, (at + "/provenance",)),
            )
        )
    return table(
        "A fee is a rate of the amount and a fixed part, and at least a minimum, CNY",
        ("fee of", "rate", "fixed", "at least", "monthly minimum", "whose figure"),
        rows,
        "A monthly minimum's source does not say whether it is of fees or of volume."
        if any(fee.monthly_minimum_minor for fee in summary.fees)
        else "",
    )


def _cost(minor: float) -> Cell:
    text = f"{minor / 100:.2f}" if minor >= 1 or minor == 0 else f"{minor / 100:.3f}"
    return Cell(text, derived=True)
