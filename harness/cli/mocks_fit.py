"""`tollbench mocks fit`: a profile of what was measured; what it is made of is fitted_profile.py's.

It reads recordings and writes one file, never over one that is there unless asked to.
"""

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import msgspec
from msgspec import structs
from rich.console import Console

from harness.calibrate.fit import (
    Figure,
    Part,
    Unfit,
    chosen,
    each_draw_once,
    model_parts,
    payment_parts,
)
from harness.calibrate.reading import BadRecording, read_samples
from harness.calibrate.samples import Sample, Samples
from harness.cli.exits import PASS
from harness.cli.fitted_profile import (
    LAW_WORDS,
    Fitted,
    Source,
    fitted_model,
    fitted_payment,
    in_ms,
    printable,
    quantiles_json,
    text_of,
)
from harness.cli.problems import Problems
from harness.providers import GATEWAYS
from harness.report.tables import plain_table
from harness.stats.fit import Held
from mocks.figures import ModelProvider
from mocks.profile import (
    BadProfile,
    ModelProfile,
    PaymentProfile,
    kind_of,
    load,
    names,
)

LONGEST_NAME = 100
"""Characters of a model's name that its file goes by."""
AGAIN = "the same draw, seen again in another strategy"
NO_LIKE = "nothing shipped is a profile of {provider}: name one that it is like, with --like"
NOBODYS = "nothing says whose calls these are: name them with --provider, or --like a profile"
HOP = (
    "what a gateway adds is told by pairs of calls with it and without, never by calls through it "
    "alone; to fit a model as it is seen through {provider}, name the model's profile with --like"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As the user wrote them."""

    sources: Sequence[str]
    stages: Sequence[str]
    provider: str | None
    model: str | None
    like: str | None
    name: str | None
    out: str | None
    force: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class _Read:
    samples: list[Sample]
    source: Source
    skipped: Mapping[str, int]


def fit_profile(options: Options) -> int:
    """Returns the exit code; raises BadInput with all that is wrong."""
    problems = Problems()
    figure_of = _figures(problems, options.stages)
    like = _like(problems, options.like) if options.like else None
    read = _read(problems, options.sources)
    if options.name is not None and "/" in options.name:
        problems.add(f"--name is a profile's name without a folder, not {options.name!r}")
    problems.settle()
    parts: Sequence[Part] = ()
    try:
        samples = chosen(read.samples, options.provider, options.model)
        fitted, parts = _fitted(samples, read.source, like, figure_of, options)
    except (Unfit, BadProfile) as unfit:
        problems.add(str(unfit))
        problems.settle()
        raise
    path = _path(options, fitted, options.model or samples[0].model)
    if path.resolve() in {Path(name).resolve() for name in options.sources}:
        problems.add(f"--out: {path} is what is fitted: name another")
    elif path.exists() and not options.force:
        problems.add(f"--out: {path} is there already: name another, or take --force")
    problems.settle()
    notes = [printable(of) for of in (*_skipped(read.skipped), *fitted.notes, *_in_time(parts))]
    head = ["Fitted to measurements by tollbench mocks fit.", *notes]
    try:
        path.write_text(text_of(fitted.profile, head, fitted.comments), "utf-8")
    except OSError as error:
        problems.add(f"--out: {path} cannot be written ({error.strerror}): name another file")
        problems.settle()
    _check(path, type(fitted.profile))
    if options.as_json:
        print(msgspec.json.encode(_as_json(path, parts, notes)).decode())
    else:
        _print(path, parts, notes, Console(highlight=False))
    return PASS


def _figures(problems: Problems, stages: Sequence[str]) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for text in stages:
        stage, equals, figure = text.rpartition("=")
        if not equals or figure not in get_args(Figure):
            known = ", ".join(get_args(Figure))
            problems.add(f"--stage is NAME=FIGURE with a figure of {known}, not {text!r}")
        else:
            found[stage] = cast(Figure, figure)
    return found


def _like(problems: Problems, name: str) -> PaymentProfile | ModelProfile | None:
    kind = kind_of(name)
    try:
        if kind is PaymentProfile:
            return load(name, PaymentProfile)
        if kind is ModelProfile:
            return load(name, ModelProfile)
    except BadProfile as error:
        problems.add(f"--like: {error}")
        return None
    known = ", ".join([*names(PaymentProfile), *names(ModelProfile)])
    problems.add(f"--like: {name!r} is no profile of a payment or model: take {known}, or a path")
    return None


def _read(problems: Problems, sources: Sequence[str]) -> _Read:
    samples: list[Sample] = []
    told, dates, skipped = dict[str, str](), [], Counter[str]()
    for name in sources:
        path = Path(name)
        try:
            of = read_samples(path)
        except BadRecording as error:
            problems.add(str(error))
            continue
        if of.sha256 in told:
            problems.add(f"{name} says what another file says already: name it once")
        skipped.update(of.skipped)
        found, again = each_draw_once(of.samples) if of.kind == "run" else (of.samples, 0)
        samples += map(_plainly_named, found)
        if again:
            skipped[AGAIN] += again
        told[of.sha256] = _source(path, of)
        dates.append(datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date())
    date = max(dates, default=datetime.date.min)
    return _Read(samples, Source("; ".join(told.values()), date), skipped)


def _plainly_named(of: Sample) -> Sample:
    names = of.stage, of.provider, of.model
    if all(map(str.isprintable, names)):
        return of
    stage, provider, model = map(printable, names)
    return structs.replace(of, stage=stage, provider=provider, model=model)


def _source(path: Path, of: Samples) -> str:
    return f"{path.resolve().name} ({of.kind}, {len(of.samples):,} calls, sha256 {of.sha256[:16]})"


def _fitted(
    samples: Sequence[Sample],
    source: Source,
    like: PaymentProfile | ModelProfile | None,
    figure_of: Mapping[str, Figure],
    options: Options,
) -> tuple[Fitted, Sequence[Part]]:
    provider = options.provider or samples[0].provider
    model = options.model or samples[0].model
    like = like or _shipped(provider, model)
    if isinstance(like, PaymentProfile):
        parts = payment_parts(samples, figure_of)
        return fitted_payment(parts, like, source), parts.found
    if like is None and provider in GATEWAYS:
        raise Unfit(HOP.format(provider=provider))
    if like is None and provider not in get_args(ModelProvider):
        raise Unfit(NO_LIKE.format(provider=provider) if provider else NOBODYS)
    stages = [stage for stage, figure in figure_of.items() if figure == "latency"]
    parts = model_parts(samples, stages)
    return fitted_model(parts, like, provider, model, source), parts.found


def _shipped(provider: str, model: str) -> PaymentProfile | ModelProfile | None:
    """The provider's own; of models the one whose name or id begins the asked one's, the longest,
    as ids end with a date."""
    if provider in names(PaymentProfile):
        return load(provider, PaymentProfile)
    profiles = {name: load(name, ModelProfile) for name in names(ModelProfile)}
    begins = {
        begin: profile
        for name, profile in profiles.items()
        if profile.provider == provider and not profile.claim_of
        for begin in (name, profile.model)
        if begin and model.startswith(begin)
    }
    return begins[max(begins, key=len)] if begins else None


def _path(options: Options, fitted: Fitted, model: str) -> Path:
    usual = re.sub(r"[^\w.@:+-]", "-", model or fitted.profile.provider)[:LONGEST_NAME]
    return Path(options.out or f"{options.name or f'{usual}-measured'}.toml")


def _check(path: Path, kind: type[PaymentProfile] | type[ModelProfile]) -> None:
    """What is written can be loaded; where not, it is our own mistake."""
    if kind is PaymentProfile:
        load(str(path), PaymentProfile)
    else:
        load(str(path), ModelProfile)


def _skipped(skipped: Mapping[str, int]) -> list[str]:
    return [f"{count:,} calls are no samples: {why}" for why, count in skipped.items()]


def _in_time(parts: Sequence[Part]) -> list[str]:
    """A law knows no time of day: what hangs on it is told."""
    return [
        f"{part.times}: its times hang on when they were taken (rank correlation "
        f"{of.neighbours:+.2f} with the next, {of.trend:+.2f} with the order): a law mixes all of "
        "them, and the intervals are too narrow"
        for part in parts
        for of in [part.fit.in_time]
        if of.strong
    ]


def _print(path: Path, parts: Sequence[Part], notes: Sequence[str], console: Console) -> None:
    table = plain_table(3)
    for header in ("", "KS", "", "seen", "95 % interval", "law", "off"):
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    for part in parts:
        for row in _rows(part):
            table.add_row(*row)
    console.print(table)
    print("\nTimes in ms. KS is the distance by Kolmogorov and Smirnov, and p its chance were")
    print("the law true, the fit reckoned in; of quantiles as seen it is the distance of")
    print("calls that they were not taken from.")
    for note in notes:
        console.print(f"- {note}", markup=False)
    print(f"\n{path} is written.")


def _rows(part: Part) -> Iterator[tuple[str, ...]]:
    """A row a quantile; what is told of all of them stands beside."""
    fit = part.fit
    p = "" if fit.p is None else f"p {fit.p:.2f}"
    about = [part.times, f"  {fit.n:,} calls", f"  {LAW_WORDS[fit.kind]}"]
    distance = [f"{fit.distance:.3f}", p, ""]
    for name, ks, of in zip(about, distance, in_ms(fit), strict=True):
        yield name, ks, f"p{100 * of.q:g}", *_cells(of)


def _cells(of: Held) -> tuple[str, ...]:
    if of.seen is None or of.lo is None or of.hi is None or of.error is None:
        return "", "n too small", _ms(of.law), ""
    between = f"{_ms(of.lo)} - {_ms(of.hi)}"
    return _ms(of.seen), between, _ms(of.law), f"{100 * of.error:+.1f} %"


def _ms(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 1000 else f"{ms:.4g}"


def _as_json(path: Path, parts: Sequence[Part], notes: Sequence[str]) -> dict[str, object]:
    return {
        "profile": str(path),
        "parts": [_part_json(part) for part in parts],
        "notes": list(notes),
    }


def _part_json(part: Part) -> dict[str, object]:
    fit = part.fit
    return {
        "times": part.times,
        "stages": part.stages,
        "n": fit.n,
        "law": fit.kind,
        "ks": fit.distance,
        "ks_p": fit.p,
        "quantiles": quantiles_json(fit.held),
        "neighbours": fit.in_time.neighbours,
        "trend": fit.in_time.trend,
    }
