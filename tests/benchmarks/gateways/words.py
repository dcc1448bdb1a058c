"""The results in words, the same for terminal and Markdown: cells, tables, sentences; it measures
and decides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.gateways import figures
from tests.benchmarks.gateways.asked import DIRECT, KINDS, Kind
from tests.benchmarks.gateways.profiles import TYPICAL, Held, held
from tests.benchmarks.gateways.results import Results
from tests.benchmarks.peers.standing import Spread

COMMAND = "make bench-gateways"

NAMES: dict[Kind, str] = {"json": "JSON", "stream": "streams"}

FEW_REPEATS = 5


@dataclass(frozen=True, slots=True)
class Tabled:
    """A table as it is to be shown, and the sentences below it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...] = ()


def tables(results: Results) -> Iterator[Tabled]:
    """What each gateway adds, whether it keeps up, and what the way without one took."""
    for way in figures.gateways(results):
        yield _added(results, way)
    yield _keeping_up(results)
    if results.full:
        yield _full(results)
    yield _directly(results)
    if rows := tuple(_profile_row(one) for one in held(results)):
        yield Tabled(
            "The shipped profiles beside this",
            ("profile", "value", "says", "measured", ""),
            rows,
            (
                f"At {TYPICAL:g} a second. A profile's calls a second and slot follow from its "
                "hop; measured is what one worker does, with the mock on its core.",
            ),
        )


def provenance(results: Results) -> list[str]:
    """When, where and with what all of it was measured."""
    repeats = f"{results.repeats} repeats" if results.repeats > 1 else "one repeat"
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    lines = [
        f"Measured {results.started_at[:10]} in {results.wall_s / 60:.0f} min, {repeats}: medians "
        "[least, most] of the repeats.",
        f"Versions: {versions}.",
        f"Machine: {machine}; generator on one core, mock and gateways on the other.",
    ]
    lines += [f"Not measured: {name}: {why}." for name, why in results.absent.items()]
    if results.quick:
        lines.append("A quick run: too short to quote.")
    elif results.repeats < FEW_REPEATS:
        lines.append("Fewer than five repeats: too few to quote.")
    return lines


def spread(of: Spread | None) -> str:
    """Median and range, in three figures or so; of one repeat there is no range."""
    if of is None:
        return "none"
    if of.least == of.most:
        return number(of.median)
    return f"{number(of.median)} [{number(of.least)}, {number(of.most)}]"


def number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}"


def _added(results: Results, way: str) -> Tabled:
    rows = []
    for rate in figures.loads(results, way):
        cells = (
            figures.added(results, way, "json", rate, "total", "p50"),
            figures.added(results, way, "json", rate, "total", "p95"),
            figures.added(results, way, "stream", rate, "first", "p50"),
            figures.added(results, way, "stream", rate, "total", "p50"),
        )
        rows.append((f"{rate:g}", *map(spread, cells)))
    return Tabled(
        f"{way} {results.versions.get(way, '')}: ms beyond direct".replace(" :", ":"),
        ("per s", "JSON p50", "JSON p95", "first token", "stream p50"),
        tuple(rows),
        tuple(_own(results, way)),
    )


def _own(results: Results, way: str) -> Iterator[str]:
    """Its own word beside what was seen."""
    for kind in KINDS:
        told = figures.own(results, way, kind, TYPICAL)
        saw = figures.added(results, way, kind, TYPICAL, "total", "p50")
        if told is not None and saw is not None:
            yield (
                f"Its own header says {spread(told)} ms for {NAMES[kind]} at {TYPICAL:g} a second, "
                f"where {spread(saw)} were seen."
            )


def _keeping_up(results: Results) -> Tabled:
    rows = []
    for way in figures.gateways(results):
        for rate in figures.loads(results, way):
            rows.append((way, f"{rate:g}", *_kept(results, way, rate)))
    below = [
        f"{way} carried {_most(results, way, 'json')} a second of JSON and "
        f"{_most(results, way, 'stream')} of streams in every repeat."
        for way in figures.gateways(results)
    ]
    below += list(_reasons(results))
    head = ("", "per s", "kept up", "failed", "in flight", "kept up", "failed", "in flight")
    return Tabled("Whether they keep up: JSON, then streams", head, tuple(rows), tuple(below))


def _kept(results: Results, way: str, rate: float) -> Iterator[str]:
    for kind in KINDS:
        cells = figures.cells(results, way, kind, rate)
        if not cells:
            yield from ("", "", "")
            continue
        kept, asked = figures.kept_up(results, way, kind, rate)
        failed, sent = (sum(of) for of in zip(*((c.failed, c.sent) for c in cells), strict=True))
        yield f"{kept} of {asked}"
        yield f"{failed} of {sent}" if failed else "0"
        yield f"{max(cell.most_in_flight for cell in cells)}"


def _most(results: Results, way: str, kind: Kind) -> str:
    carried = figures.carries(results, way, kind)
    return "none of these loads" if carried is None else f"{carried:g}"


def _reasons(results: Results) -> Iterator[str]:
    """Why requests failed, each reason once."""
    reasons = [(cell.way, cell.why) for cell in results.cells if cell.why]
    reasons += [(one.way, one.why) for one in results.full if one.why]
    for way, why in dict.fromkeys(reasons):
        yield f"{way} failed with: {why}."


def _full(results: Results) -> Tabled:
    in_flight = max(one.in_flight for one in results.full)
    rows = []
    for way in results.ways:
        row = [way]
        for kind in KINDS:
            row += [
                spread(figures.served(results, way, kind)),
                spread(figures.crowd_ms(results, way, kind)),
            ]
        rows.append(tuple(row))
    return Tabled(
        f"Full: {in_flight} in flight",
        ("", "JSON/s", "p50 ms", "streams/s", "p50 ms"),
        tuple(rows),
        (
            f"Without a gateway {in_flight / results.total_ms * 1e3:.0f} a second is all that "
            f"{in_flight} in flight can be at {results.total_ms:g} ms each.",
        ),
    )


def _directly(results: Results) -> Tabled:
    rows = []
    for rate in figures.loads(results, DIRECT):
        cells = (
            figures.seen(results, DIRECT, "json", rate, "total", "p50"),
            figures.seen(results, DIRECT, "json", rate, "total", "p99"),
            figures.seen(results, DIRECT, "stream", rate, "first", "p50"),
            figures.seen(results, DIRECT, "stream", rate, "total", "p50"),
        )
        rows.append((f"{rate:g}", *map(spread, cells)))
    late = max((cell.late_ms for cell in results.cells), default=0.0)
    return Tabled(
        "Direct, ms: the upstream itself",
        ("per s", "JSON p50", "JSON p99", "first token", "stream p50"),
        tuple(rows),
        (
            f"It means to give the first token after {results.first_ms:g} ms and the last after "
            f"{results.total_ms:g}. The generator sent no later than {number(late)} ms after the "
            "due time at its worst p99; times count from the due time.",
        ),
    )


def _profile_row(one: Held) -> tuple[str, ...]:
    word = "inside" if one.inside else f"could be {number(max(0.0, one.measured.median))}"
    name = f"{one.gateway.lower()}.toml"
    return name, one.value, number(one.says), spread(one.measured), word
