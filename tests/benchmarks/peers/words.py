"""A row in words, the same for terminal and README: figures, targets, who leads. It decides
nothing."""

from collections.abc import Iterator

from tests.benchmarks.peers.results import Figure, Line, Results, Row
from tests.benchmarks.peers.standing import Contest, Spread, carried, contest, meets, spread, values


def cell(line: Line, figure: Figure) -> str:
    """Median and range in one."""
    middle, around = parts(line, figure)
    return f"{middle} {around}".strip()


def parts(line: Line, figure: Figure) -> tuple[str, str]:
    """Median and range; of one sample there is no range."""
    of = spread(line, figure)
    if of is None:
        return ("not told" if any(line.samples) else "no figures"), ""
    if figure.yes:
        found = values(line, figure)
        return f"{sum(found):.0f} of {len(found)}", ""
    if len(values(line, figure)) == 1:
        return number(of.median, figure), ""
    return number(of.median, figure), f"[{number(of.least, figure)}, {number(of.most, figure)}]"


def number(value: float, figure: Figure) -> str:
    return f"{value:,.{figure.digits}f}"


def target(figure: Figure) -> str:
    """What the median is to reach, or nothing."""
    if figure.target is None:
        return ""
    if figure.better == "near":
        return f"{figure.target:,g}, within {figure.tolerance:.0%}"
    return f"at {'most' if figure.better == 'less' else 'least'} {figure.target:,g}"


def standing(row: Row, line: Line, figure: Figure) -> str:
    """A word on this one figure of this one tool."""
    words = []
    met = meets(line, figure)
    if met is not None and (line.ours or figure.better == "near" or figure.gate):
        words.append("met" if met else "missed")
    of = contest(row, figure)
    if of is not None and of.leader is line and figure.better != "near":
        words.append("leads")
    return ", ".join(words)


def sentences(row: Row) -> Iterator[str]:
    """Who leads in what; where a peer does, that comes as plainly."""
    for figure in row.figures:
        of = contest(row, figure)
        if of is not None:
            yield _near(row, of) if figure.better == "near" else _led(of)
    tried = [line for line in row.lines if any(line.samples)]
    failed = [line.name for line in tried if not carried(row, line)]
    if failed and len(failed) == len(tried):
        yield "Nobody carried the load."
    elif failed:
        yield f"Did not carry the load, and so lead in nothing: {'; '.join(failed)}."
    if tried and all(line.ours for line in tried):
        yield "No peer was measured on this."


def absences(row: Row) -> Iterator[str]:
    """Who was left out, those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for name, why in row.absent.items():
        reasons.setdefault(why, []).append(name)
    for why, names in reasons.items():
        yield f"{', '.join(names)}: {why}."


def provenance(results: Results) -> list[str]:
    """When, where and with what all of it was measured."""
    tools = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    repeats = f"{results.repeats} repeats" if results.repeats > 1 else "one repeat"
    lines = [
        f"Measured {results.started_at[:10]} in {results.wall_s / 60:.0f} min, {repeats} by turns: "
        "medians [least, most].",
        f"Versions: {tools}.",
        f"Machine: {machine}; generator on one core, server on the other.",
    ]
    lines += [
        f"Row {row.number} was measured again by itself, at {row.again_at[11:16]} UTC on "
        f"{row.again_at[:10]}."
        for row in results.rows
        if row.again_at
    ]
    if results.quick:
        lines.append("A quick run: too short to quote.")
    elif results.repeats < 5:
        lines.append("Fewer than five repeats: too few to quote.")
    return lines


def _led(of: Contest) -> str:
    figure, by = of.figure, ""
    if of.ratio and figure.better == "less":
        by = f"; {of.other.name} is {_times(of.ratio)} times as much"
    elif of.ratio:
        by = f" with {_times(of.ratio)} times that of {of.other.name}"
    overlap = ", but the ranges overlap" if of.overlap else ""
    return f"{figure.label}: {of.leader.name} leads{by}{overlap}."


def _near(row: Row, of: Contest) -> str:
    figure = of.figure
    near = [line.name for line in row.lines if meets(line, figure) and carried(row, line)]
    within = f"within {figure.tolerance:.0%} of the truth: {', '.join(near) or 'nobody'}"
    nearest = f"nearest: {of.leader.name}"
    return f"{figure.label}: {within}; {nearest}{', by little' if of.overlap else ''}."


def _times(ratio: Spread) -> str:
    digits = 0 if ratio.least >= 10 else 1
    if ratio.least == ratio.most:
        return f"{ratio.median:.{digits}f}"
    return f"{ratio.median:.{digits}f} [{ratio.least:.{digits}f}, {ratio.most:.{digits}f}]"
