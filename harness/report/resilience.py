"""What faults cost each strategy, and whether the books hold, on a terminal and in words; it
computes no statistic."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.record import RunSummary, VariantSummary
from harness.record.reconciliation import ReconciliationSummary
from harness.record.resilience import FaultCost, ResilienceSummary
from harness.report.tables import fits, marks, plain_table, print_heading, strategy_table
from harness.report.words import (
    N_TOO_SMALL,
    NEVER,
    NEVER_NOTE,
    label,
    pays_apart,
    quantile_text,
)

HEADING = "What faults cost"
NOTE = (
    "Clean turns are those that nothing struck. Amplification: calls a turn over those of a clean "
    "one. Wasted calls, a turn: those that failed or were turned away, and sessions and "
    "confirmations that nobody used."
)
MOST_FAULTS = 4
"""Beside each other, where there is room."""
FEW, FEW_NOTE = "few", "few: of so few turns that they do not tell it"

Of = Mapping[str, ResilienceSummary]
"""By strategy."""


def print_resilience(
    summary: RunSummary, variants: Sequence[VariantSummary], console: Console
) -> None:
    """Nothing where nothing was to go wrong."""
    of = {one.variant: one for one in summary.resilience}
    told = [variant for variant in variants if variant.name in of]
    if not told:
        return
    print_heading(HEADING, console)
    _print_overall(told, of, console)
    if names := fault_names([of[variant.name] for variant in told]):
        _print_ends(names, told, of, console)
        _print_times(names, told, of, console)
    times = {time for one in of.values() for time in _times(one)}
    for word, note in ((NEVER, NEVER_NOTE), (N_TOO_SMALL, FEW_NOTE)):
        if word in times:
            console.print(Text(note, style="dim"))


def faults_text(summary: RunSummary) -> str:
    """What was to go wrong, and how the agent was to meet it, as far as that is told."""
    parts = [", ".join(f"{fault} {100 * share:.4g}%" for fault, share in summary.faults.items())]
    if (retries := summary.parameters.get("retries")) is not None:
        parts.append(f"retries {retries}")
    if (patience_s := summary.parameters.get("patience_s")) is not None:
        parts.append(f"patience {patience_s} s")
    return "; ".join(parts)


def note_of(of: Iterable[ResilienceSummary]) -> str:
    """What the figures mean, and of which conversations they are where not of all."""
    every = max((one.every for one in of), default=1)
    return NOTE if every == 1 else f"{NOTE} Of {_one_in(every)} alone."


def _one_in(every: int) -> str:
    return f"one conversation in {every:,}"


def fault_names(of: Sequence[ResilienceSummary]) -> list[str]:
    """Those that struck anything, in the order in which they are told."""
    return list(dict.fromkeys(cost.fault for one in of for cost in one.faults if cost.turns))


def struck_sentences(summary: RunSummary) -> Iterator[str]:
    """What faults cost, a sentence a strategy, where there is no room for tables."""
    labels = {variant.name: label(variant) for variant in summary.variants}
    for one in summary.resilience:
        if one.struck_turns:
            whose = f"{labels.get(one.variant, one.variant)}: " if len(labels) > 1 else ""
            amplified = amplification_text(one.amplification)
            by = sorted((cost for cost in one.faults if cost.turns), key=lambda of: -of.turns)
            yield (
                f"{whose}faults struck {one.struck_turns:,} of {_many(one.turns, 'turn')} "
                f"({', '.join(f'{cost.fault} {cost.turns:,}' for cost in by)})"
                + (f", at {amplified} the calls" if amplified else "")
                + (f", of {_one_in(one.every)}" if one.every > 1 else "")
            )


def books_sentence(books: ReconciliationSummary) -> str:
    """What was believed and what the books say, in one sentence."""
    parts = [f"{_many(books.orders, 'order')}, {_many(books.breached, 'breach', 'breaches')}"]
    for currency, captured in sorted(books.captured_minor.items()):
        refunded, fees, settled = (
            major_text(part.get(currency, 0))
            for part in (books.refunded_minor, books.fees_minor, books.settled_minor)
        )
        parts.append(
            f"{currency} {major_text(captured)} captured - {refunded} refunded - {fees} fees = "
            f"{settled} settled"
        )
    if books.unknown:
        parts.append(f"{_many(books.unknown, 'payment')} stayed unknown")
    if books.cut_off:
        parts.append(f"{_many(books.cut_off, 'order')} of turns that were cut off")
    if books.forgotten:
        parts.append(f"{_many(books.forgotten, 'payment')} whose belief was not kept")
    return "; ".join(parts)


def time_text(ms: float | None, turns: int, quantile: float) -> str:
    """`3013`, `n too small`, or `never` for a figure among turns that never answered."""
    return quantile_text(turns, quantile, ms, ms, ms).partition(" [")[0]


def clean_times(one: ResilienceSummary) -> tuple[str, str]:
    """p50 and p95 of the turns that nothing struck; nothing where there are none."""
    clean = one.turns - one.struck_turns
    if not clean:
        return "", ""
    return time_text(one.clean_p50_ms, clean, 0.5), time_text(one.clean_p95_ms, clean, 0.95)


def fault_times(cost: FaultCost) -> tuple[str, str]:
    return time_text(cost.p50_ms, cost.turns, 0.5), time_text(cost.p95_ms, cost.turns, 0.95)


def amplification_text(amplification: float | None) -> str:
    return "" if amplification is None else f"{amplification:.2f}x"


def major_text(minor: int) -> str:
    return f"{minor / 100:,.2f}"


def _times(one: ResilienceSummary) -> Iterator[str]:
    yield from clean_times(one)
    for cost in one.faults:
        if cost.turns:
            yield from fault_times(cost)


def _print_overall(variants: Sequence[VariantSummary], of: Of, console: Console) -> None:
    headers = (
        "turns\nstruck", "calls/\nturn", "amplifi-\ncation", "wasted\ncalls", "clean\np50, ms",
        "clean\np95, ms",
    )  # fmt: skip
    for gap in (2, 1):
        table = strategy_table(variants, headers, gap)
        for variant in variants:
            one = of[variant.name]
            table.add_row(
                *marks(variant, variants, console),
                _share(one.struck_turns, one.turns),
                f"{one.calls_per_turn:.2f}",
                amplification_text(one.amplification),
                f"{one.wasted_calls_per_turn:.3f}",
                *map(_brief, clean_times(one)),
            )
        if fits(table, console):
            break
    console.print(table)
    console.print(Text(note_of(of.values()), style="dim"))


def _print_ends(
    names: Sequence[str], variants: Sequence[VariantSummary], of: Of, console: Console
) -> None:
    """How the struck turns of all strategies ended, a row a fault."""
    whose = "providers" if pays_apart(variants) else "strategies"
    all_of = f", of all {whose} together" if len(variants) > 1 else ""
    print_heading(f"Turns that each fault struck{all_of}", console)
    table = plain_table(2)
    table.add_column("fault", no_wrap=True)
    for header in ("turns", "failed", "", "reversed", ""):
        table.add_column(header, justify="right", no_wrap=True)
    for name in names:
        costs = [cost for one in of.values() for cost in one.faults if cost.fault == name]
        turns = sum(cost.turns for cost in costs)
        row = [name, f"{turns:,}"]
        for n in (sum(cost.failed for cost in costs), sum(cost.reversed for cost in costs)):
            row += [f"{n:,}", _share(n, turns)]
        table.add_row(*row)
    console.print(table)


def _print_times(
    names: Sequence[str], variants: Sequence[VariantSummary], of: Of, console: Console
) -> None:
    """A strategy a row, a fault a column, as many beside each other as there is room for."""
    print_heading("Response time of those turns, ms", console)
    while names:
        for beside in range(min(MOST_FAULTS, len(names)), 0, -1):
            table = _times_table(names[:beside], variants, of, console)
            if fits(table, console):
                break
        console.print(table)
        names = names[beside:]


def _times_table(
    names: Sequence[str], variants: Sequence[VariantSummary], of: Of, console: Console
) -> Table:
    columns = [
        _paired(
            name,
            [
                next(
                    (fault_times(c) for c in of[v.name].faults if c.fault == name and c.turns), None
                )
                for v in variants
            ],
        )
        for name in names
    ]
    table = strategy_table(variants, [header for header, _ in columns], 3)
    for n, variant in enumerate(variants):
        table.add_row(*marks(variant, variants, console), *(cells[n] for _, cells in columns))
    return table


def _paired(name: str, times: Sequence[tuple[str, str] | None]) -> tuple[str, list[str]]:
    """p50 and p95 below a fault's name, each from right end to right end."""
    pairs = [("p50", "p95"), *((_brief(p50), _brief(p95)) for p50, p95 in filter(None, times))]
    widths = [max(map(len, column)) for column in zip(*pairs, strict=True)]
    told = iter([f"{p50:>{widths[0]}}  {p95:>{widths[1]}}" for p50, p95 in pairs])
    header = f"{name}\n{next(told)}"
    return header, ["" if pair is None else next(told) for pair in times]


def _brief(told: str) -> str:
    return FEW if told == N_TOO_SMALL else told


def _share(n: int, of: int) -> str:
    """All only of every turn, and none only of none."""
    if n in (0, of):
        return f"{n / of:.0%}" if of else ""
    return f"{min(max(n / of, 0.001), 0.999):.1%}"


def _many(n: int, one: str, more: str = "") -> str:
    return f"{n:,} {one if n == 1 else more or f'{one}s'}"
