"""The figures of a run as tables, each beside its place in run.json; no figure is computed here."""

from collections.abc import Iterable, Sequence

from harness.record import (
    QuantileSummary,
    RunSummary,
    Step,
    VariantSummary,
)
from harness.report.page.cells import (
    UNKNOWN,
    Cell,
    Table,
    change,
    count,
    money,
    ms,
    name_of,
    place,
    point,
    share,
    table,
    within,
)
from harness.report.series import round_word
from harness.report.words import (
    from_baseline,
    label,
    level_text,
    pays_apart,
    percentile,
    points_of,
)

SHOWN_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.998)
"""Of a whole curve, a table tells the points nearest these."""


COUNTED = {
    "wasted_prewarms": "wasted warms",
    "stale_tokens": "stale tokens",
    "reversals": "reversals",
    "corrections": "corrections",
    "guarded": "guarded answers",
    "errors": "errors",
}


def strategies_table(summary: RunSummary) -> Table:
    """Each strategy's quantiles of response time."""
    ordered = ordered_variants(summary)
    quantiles = list(dict.fromkeys(p.quantile for _, v in ordered for p in points_of(v)))
    return table(
        f"Response time, ms, with {level_text(summary.level)} intervals",
        (who(summary), "turns", *map(percentile, quantiles)),
        [
            (
                name_of(label(v)),
                count(v.turns, place("variants", i, "turns")),
                *(_quantile(v, i, quantile) for quantile in quantiles),
            )
            for i, v in ordered
        ],
    )


def percentiles_table(summary: RunSummary) -> Table:
    """The whole curve of each strategy, at a few percentiles of it."""
    ordered = ordered_variants(summary)
    curves = [
        [(p, v.turns, place("variants", i, "percentiles", n)) for n, p in enumerate(v.percentiles)]
        for i, v in ordered
    ]
    return table(
        f"Response time by percentile, ms, with {level_text(summary.level)} intervals",
        ("percentile", *(label(v) for _, v in ordered)),
        _curve_rows(curves),
    )


def shifts_table(summary: RunSummary) -> Table:
    """The difference from the baseline, at a few percentiles."""
    labels = {v.name: label(v) for v in summary.variants}
    wanted = _nearest(p.quantile for shift in summary.shifts for p in shift.points)
    rows = []
    for quantile in wanted:
        cells = [name_of(_percentile(quantile))]
        for s, shift in enumerate(summary.shifts):
            found = [(n, p) for n, p in enumerate(shift.points) if p.quantile == quantile]
            cells += [
                change(
                    p.ms,
                    p.lo_ms,
                    p.hi_ms,
                    within(place("shifts", s, "points", n), "ms", "lo_ms", "hi_ms"),
                )
                for n, p in found[:1]
            ] or [Cell("")]
        rows.append(cells)
    base = labels.get(summary.shifts[0].baseline, "baseline") if summary.shifts else "baseline"
    return table(
        f"Response time less that of {base}, ms; the bounds hold for all percentiles together",
        ("percentile", *(labels.get(s.variant, s.variant) for s in summary.shifts)),
        rows,
    )


def budgets_table(summary: RunSummary) -> Table:
    """The share of turns answered within each budget."""
    budgets = list(dict.fromkeys(budget for v in summary.variants for budget in v.slo))
    return table(
        "Share of turns answered within a budget",
        (who(summary), *(f"within {budget[:-1]} {budget[-1]}" for budget in budgets)),
        [
            (
                name_of(label(v)),
                *(share(v.slo.get(b), place("variants", i, "slo", b)) for b in budgets),
            )
            for i, v in ordered_variants(summary)
        ],
    )


def stages_table(summary: RunSummary) -> Table:
    """Where the mean turn of each strategy spends its time."""
    ordered = ordered_variants(summary)
    stages = list(dict.fromkeys(stage for _, v in ordered for stage in v.critical_ms))
    notable = [s for s in stages if any(v.critical_ms.get(s, 0.0) >= 0.5 for _, v in ordered)]
    return table(
        "Where the time goes: mean ms a turn on the critical path",
        (who(summary), *notable),
        [
            (
                name_of(label(v)),
                *(
                    ms(v.critical_ms[s], place("variants", i, "critical_ms", s))
                    if s in v.critical_ms
                    else Cell("")
                    for s in notable
                ),
            )
            for i, v in ordered
        ],
        "Stages of less than half a millisecond are left out."
        if len(notable) < len(stages)
        else "",
    )


def in_flight_table(summary: RunSummary) -> Table:
    """Response times by how many turns were in flight already."""
    labels = {v.name: label(v) for v in summary.variants}
    quantiles = list(dict.fromkeys(p.quantile for f in summary.in_flight for p in f.quantiles))
    rows = []
    for i, found in enumerate(summary.in_flight):
        at = place("in_flight", i)
        span = (
            Cell(f"{found.least}", (at + "/least",))
            if found.least == found.most
            else Cell(f"{found.least} to {found.most}", within(at, "least", "most"))
        )
        places = {p.quantile: n for n, p in enumerate(found.quantiles)}
        rows.append(
            (
                name_of(labels.get(found.variant, found.variant)),
                span,
                count(found.turns, at + "/turns"),
                *(
                    point(found.quantiles[n], found.turns, f"{at}/quantiles/{n}")
                    if (n := places.get(q)) is not None
                    else Cell("")
                    for q in quantiles
                ),
            )
        )
    return table(
        "Response time, ms, by how many other turns were in flight when a turn was due",
        (who(summary), "in flight", "turns", *map(percentile, quantiles)),
        rows,
    )


def capacity_table(summary: RunSummary) -> Table:
    """Every step of a capacity sweep."""
    steps = summary.capacity.steps if summary.capacity else []
    quantiles = list(dict.fromkeys(p.quantile for step in steps for p in step.quantiles))
    return table(
        "Each rate that was offered, turns/s",
        ("offered", "completed", "due", "finished", "failed", *map(percentile, quantiles), "held"),
        [_step_row(step, place("capacity", "steps", i), quantiles) for i, step in enumerate(steps)],
    )


def rounds_table(summary: RunSummary) -> Table:
    """The difference of medians in each round, or each batch of a run of one."""
    return _by_round(
        summary,
        f"Median less that of the baseline in the same {round_word(summary)}, ms",
        [
            (f.variant, [*f.differences_ms], place("round_figures", i, "differences_ms"))
            for i, f in enumerate(summary.round_figures)
            if f.differences_ms
        ],
    )


def medians_table(summary: RunSummary) -> Table:
    """Each strategy's median in each round, or each batch of a run of one."""
    return _by_round(
        summary,
        f"Median response time by {round_word(summary)}, ms",
        [
            (f.variant, [*f.medians_ms], place("round_figures", i, "medians_ms"))
            for i, f in enumerate(summary.round_figures)
        ],
    )


def strata_table(summary: RunSummary) -> Table:
    """Turns that had to open a session apart from those that had not."""
    strata = [stratum for v in summary.variants for stratum in v.strata]
    quantiles = list(dict.fromkeys(p.quantile for stratum in strata for p in stratum.quantiles))
    rows = []
    for i, v in ordered_variants(summary):
        for n, stratum in enumerate(v.strata):
            at = place("variants", i, "strata", n)
            points = {p.quantile: (k, p) for k, p in enumerate(stratum.quantiles)}
            rows.append(
                (
                    name_of(label(v)),
                    name_of(stratum.name),
                    count(stratum.turns, at + "/turns"),
                    *(
                        point(points[q][1], stratum.turns, f"{at}/quantiles/{points[q][0]}")
                        if q in points
                        else Cell("")
                        for q in quantiles
                    ),
                )
            )
    return table(
        f"Response time, ms, with {level_text(summary.level)} intervals",
        (who(summary), "turns", "how many", *map(percentile, quantiles)),
        rows,
        "Cold turns had to open a session; steady ones did not.",
    )


def effective_table(summary: RunSummary) -> Table:
    """How many independent turns each strategy's turns are worth."""
    ordered = ordered_variants(summary)
    quantiles = list(dict.fromkeys(p.quantile for _, v in ordered for p in v.quantiles))
    rows = []
    for i, v in ordered:
        cells = [name_of(label(v)), count(v.turns, place("variants", i, "turns"))]
        places = {p.quantile: (n, p) for n, p in enumerate(v.quantiles)}
        for q in quantiles:
            n, known = places.get(q, (0, None))
            at = place("variants", i, "quantiles", n, "effective_turns")
            turns = known.effective_turns if known else None
            cells.append(Cell(UNKNOWN, (at,)) if turns is None else Cell(f"{turns:,.0f}", (at,)))
        rows.append(cells)
    return table(
        f"Turns of one {round_word(summary)} share their weather: so many independent ones would "
        "tell as much",
        (who(summary), "turns", *(f"worth at {percentile(q)}" for q in quantiles)),
        rows,
    )


def cost_table(summary: RunSummary) -> Table:
    """What turns took beside time: money, calls, and what went wrong where something did."""
    ordered = ordered_variants(summary)
    counts = [f for f in COUNTED if any(getattr(v, f) for _, v in ordered)]
    none = [COUNTED[f] for f in COUNTED if f not in counts]
    human = any(v.human_ms_mean for _, v in ordered)
    rows = []
    for i, v in ordered:
        at = place("variants", i)
        rows.append(
            (
                name_of(label(v)),
                money(v.fee_minor_mean, at + "/fee_minor_mean"),
                money(v.token_cost_minor_mean, at + "/token_cost_minor_mean", 3),
                money(v.amount_minor_mean, at + "/amount_minor_mean"),
                Cell(f"{v.calls_per_turn:.2f}", (at + "/calls_per_turn",)),
                *(count(getattr(v, field), f"{at}/{field}") for field in counts),
                *([ms(v.human_ms_mean, at + "/human_ms_mean")] if human else []),
            )
        )
    notes = [f"There were no {', no '.join(none)}."] if none else []
    notes += ["Users' own time to approve is in no response time."] if human else []
    return table(
        "What a turn takes beside time: means in CNY, calls, and counts over all turns",
        (
            who(summary), "fee", "tokens", "paid", "calls/turn", *(COUNTED[f] for f in counts),
            *(["approval, ms"] if human else []),
        ),
        rows,
        " ".join(notes),
    )  # fmt: skip


def who(summary: RunSummary) -> str:
    """What the variants are: strategies, or payment providers under one of them."""
    return "provider" if pays_apart(summary.variants) else "strategy"


def ordered_variants(summary: RunSummary) -> list[tuple[int, VariantSummary]]:
    """Those that ran, from the baseline outwards, each with its place in run.json."""
    places = {v.name: i for i, v in enumerate(summary.variants)}
    return [(places[v.name], v) for v in from_baseline(v for v in summary.variants if v.turns)]


def _quantile(v: VariantSummary, i: int, quantile: float) -> Cell:
    points = points_of(v)
    n = next((n for n, p in enumerate(points) if p.quantile == quantile), None)
    if n is None:
        return Cell("")
    if v.quantiles:
        return point(points[n], v.turns, place("variants", i, "quantiles", n))
    base = f"p{quantile * 100:g}_ms"
    found = point(points[n], v.turns, "")
    run = within(place("variants", i), base, f"{base}_lo", f"{base}_hi")
    return Cell(found.text, run)


Curve = Sequence[tuple[QuantileSummary, int, str]]


def _curve_rows(curves: Sequence[Curve]) -> list[list[Cell]]:
    rows = []
    for quantile in _nearest(p.quantile for curve in curves for p, _, _ in curve):
        cells = [name_of(_percentile(quantile))]
        for curve in curves:
            found = [point(p, turns, at) for p, turns, at in curve if p.quantile == quantile]
            cells.append(found[0] if found else Cell(""))
        rows.append(cells)
    return rows


def _nearest(quantiles: Iterable[float]) -> list[float]:
    known = sorted(set(quantiles))
    if not known:
        return []
    return list(dict.fromkeys(min(known, key=lambda q: abs(q - want)) for want in SHOWN_QUANTILES))


def _percentile(quantile: float) -> str:
    return f"p{round(100 * quantile, 2):g}"


def _step_row(step: Step, at: str, quantiles: Sequence[float]) -> list[Cell]:
    points = {p.quantile: (n, p) for n, p in enumerate(step.quantiles)}
    return [
        Cell(f"{step.rate:.2f}", (at + "/rate",)),
        Cell(f"{step.completed_rate:.2f}", (at + "/completed_rate",)),
        count(step.due, at + "/due"),
        count(step.finished, at + "/finished"),
        count(step.failed, at + "/failed"),
        *(
            point(points[q][1], step.due, f"{at}/quantiles/{points[q][0]}")
            if q in points
            else Cell("")
            for q in quantiles
        ),
        Cell("yes" if step.sustained else f"no: {'; '.join(step.because)}"),
    ]


def _by_round(
    summary: RunSummary, caption: str, series: Sequence[tuple[str, list[float | None], str]]
) -> Table:
    labels = {v.name: label(v) for v in summary.variants}
    rounds = max((len(figures) for _, figures, _ in series), default=0)
    rows = []
    for r in range(rounds):
        cells = [Cell(str(r + 1), derived=True)]
        for _, figures, at in series:
            cells.append(ms(figures[r], f"{at}/{r}") if r < len(figures) else Cell(""))
        rows.append(cells)
    return table(
        caption, (round_word(summary), *(labels.get(name, name) for name, _, _ in series)), rows
    )
