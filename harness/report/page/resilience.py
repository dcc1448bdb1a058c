"""What faults cost and whether the books hold, as tables, each number beside its place in
run.json; nothing here computes one."""

from harness.record import RunSummary
from harness.report.page.cells import Cell, Table, count, money, name_of, place, table
from harness.report.page.tables import ordered_variants, who
from harness.report.resilience import (
    HEADING,
    amplification_text,
    clean_times,
    fault_names,
    fault_times,
    faults_text,
    note_of,
)
from harness.report.words import label

BY_FAULT = "Response time of the turns that each fault struck, ms, and how they ended"
BOOKS = "What the app believed of its payments, held against the books"
BREACHES = "Where the books do not hold"


def resilience_table(summary: RunSummary) -> Table | None:
    """A row a strategy; none where nothing was to go wrong."""
    rows = [
        (
            name_of(label(variant)),
            count(one.turns, at + "/turns"),
            count(one.struck_turns, at + "/struck_turns"),
            Cell(f"{one.calls_per_turn:.2f}", (at + "/calls_per_turn",)),
            Cell(amplification_text(one.amplification), (at + "/amplification",))
            if one.amplification is not None
            else Cell(""),
            Cell(f"{one.wasted_calls_per_turn:.3f}", (at + "/wasted_calls_per_turn",)),
            *(
                Cell(time, (at + place(name),)) if time else Cell("")
                for time, name in zip(
                    clean_times(one), ("clean_p50_ms", "clean_p95_ms"), strict=True
                )
            ),
        )
        for _, variant in ordered_variants(summary)
        for i, one in enumerate(summary.resilience)
        if one.variant == variant.name
        for at in [place("resilience", i)]
    ]
    header = (
        who(summary), "turns", "struck", "calls/turn", "amplification", "wasted calls",
        "clean p50", "clean p95",
    )  # fmt: skip
    return (
        table(
            f"{HEADING}, times in ms: {faults_text(summary)}",
            header,
            rows,
            note_of(summary.resilience),
        )
        if rows
        else None
    )


def by_fault_table(summary: RunSummary) -> Table | None:
    """A row for each strategy under each fault."""
    rows = [
        (
            Cell(cost.fault, (at + "/fault",)),
            name_of(label(variant)),
            count(cost.turns, at + "/turns"),
            *(
                Cell(time, (at + place(name),))
                for time, name in zip(fault_times(cost), ("p50_ms", "p95_ms"), strict=True)
            ),
            Cell(f"{cost.calls_per_turn:.2f}", (at + "/calls_per_turn",)),
            count(cost.failed, at + "/failed"),
            count(cost.reversed, at + "/reversed"),
        )
        for fault in fault_names(summary.resilience)
        for _, variant in ordered_variants(summary)
        for i, one in enumerate(summary.resilience)
        for n, cost in enumerate(one.faults)
        if one.variant == variant.name and cost.fault == fault and cost.turns
        for at in [place("resilience", i, "faults", n)]
    ]
    header = ("fault", who(summary), "turns", "p50", "p95", "calls/turn", "failed", "reversed")
    return table(BY_FAULT, header, rows) if rows else None


def books_table(summary: RunSummary) -> Table | None:
    """None where nobody held anything against the books."""
    books = summary.reconciliation
    if books is None:
        return None
    at = "/reconciliation"
    counts = (
        ("orders", "orders"),
        ("payments that the app believed something of", "believed"),
        ("payments that stayed unknown to it, and were told as that", "unknown"),
        ("orders of turns that were cut off", "cut_off"),
        ("payments of which its belief was not kept", "forgotten"),
        ("breaches", "breached"),
    )
    rows = [(name_of(what), count(getattr(books, name), at + place(name))) for what, name in counts]
    for name in ("captured", "refunded", "fees", "settled"):
        by_currency: dict[str, int] = getattr(books, f"{name}_minor")
        rows += [
            (name_of(f"{name}, {currency}"), money(minor, at + place(f"{name}_minor", currency)))
            for currency, minor in sorted(by_currency.items())
        ]
    return table(BOOKS, ("", "found"), rows, "Settled = captured - refunded - fees.")


def breaches_table(summary: RunSummary) -> Table | None:
    """The first breaches, a row each; none where the books hold. What is no conversation's has no
    place in one."""
    books = summary.reconciliation
    if books is None or not books.breaches:
        return None
    rows = [
        (
            Cell(breach.rule, (at + "/rule",)),
            Cell(breach.order_no, (at + "/order_no",)),
            Cell(breach.lane, (at + "/lane",)),
            Cell(breach.variant, (at + "/variant",)),
            *(
                count(number, at + place(name)) if breach.conversation >= 0 else Cell("")
                for name, number in (
                    ("round", breach.round),
                    ("conversation", breach.conversation),
                    ("turn", breach.turn),
                )
            ),
            Cell(breach.why, (at + "/why",)),
        )
        for i, breach in enumerate(books.breaches)
        for at in [place("reconciliation", "breaches", i)]
    ]
    header = ("rule", "order", "provider", who(summary), "round", "conversation", "turn", "why")
    left = books.breached - len(rows)
    return table(BREACHES, header, rows, f"{left:,} more are not told." if left else "")
