"""From fitted laws to a profile and its file: what was measured is put into a profile that is like
it, which keeps the rest with its own provenance. It fits nothing."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import structs

from harness.calibrate.fit import Part, Parts, Unfit
from harness.laws import Empirical, Law, Stalling
from harness.stats.fit import Fit, Held
from mocks.figures import Figures, KeyTerms, Overhead, SessionTerms, TokenLatency
from mocks.profile import ModelProfile, PaymentProfile, Profile

AT_ONCE = 1_000_000.0
"""Tokens a second of a model whose answers were timed whole: all come with the first."""

STEADY = 1.005
"""A rate that one answer in a hundred falls short of by no more is one rate."""

NARROWEST = 1.001
"""How far a 99th percentile is above its median at least, as a profile must have it."""

MOST_OPENING = 0.9999
"""The largest share of a session: the transaction takes some time too."""

Comments = Mapping[str, Sequence[str]]
FiguresT = TypeVar("FiguresT", bound=Figures)


@dataclass(frozen=True, slots=True)
class Source:
    """What was measured, in words, and when."""

    text: str
    date: datetime.date


@dataclass(frozen=True, slots=True)
class Fitted:
    """A profile; what its file says about each section; and what its reader must know."""

    profile: PaymentProfile | ModelProfile
    comments: Comments
    notes: Sequence[str]


def fitted_payment(parts: Parts, like: PaymentProfile, source: Source) -> Fitted:
    """The overhead is that of session and transaction together: where the provider has sessions,
    the transaction is what their share leaves of it."""
    pay = _part(parts, "transaction")
    opening, key = parts.of("session"), parts.of("key")
    notes, comments = list(parts.notes), {"overhead": list(_told(pay))}
    session = like.session
    if session is not None:
        if opening is None and session.share == 1:
            raise Unfit("its sessions are said to be all of the time: time them too")
        session, told = _session(pay, opening, session, source)
        notes += told
        comments["session"] = list(_told(opening)) if opening else []
        comments["overhead"].append(
            f"That is what a session's share of {session.share:g} leaves of the whole."
        )
    elif opening is not None:
        notes.append(f"{like.provider} has no sessions here: their times are left out")
    law = _ms(pay.fit.law).times(1 / (1 - (session.share if session else 0.0)))
    overhead = _shaped({**_named(law), **_measured(source)}, Overhead)
    profile = structs.replace(like, overhead=overhead, session=session)
    if key is not None and like.key is not None:
        profile = structs.replace(profile, key=_key(key, like.key, source))
        comments["key"] = list(_told(key))
    return Fitted(profile, comments, notes)


def fitted_model(
    parts: Parts, like: ModelProfile | None, provider: str, model: str, source: Source
) -> Fitted:
    """Without any profile that is like it, it has a latency and nothing else."""
    notes = list(parts.notes)
    first = parts.of("first token") or _part(parts, "whole answer")
    rate = parts.of("time a token")
    rates = {"tokens_per_s": AT_ONCE}
    if rate is not None:
        rates = _rates(rate.fit.law)
        if rate.fit.kind != "lognormal":
            notes.append("of the rate only its median and its slowest hundredth are kept")
    elif first.times == "first token":
        if like is None:
            raise Unfit("no rate is told, and no profile is like it: name one with --like")
        rates = {"tokens_per_s": like.latency.tokens_per_s}
        notes.append(f"the rate of {like.latency.tokens_per_s:g} tokens/s is not measured")
    latency = _shaped(
        {**_named(_ms(first.fit.law), "ttft_"), **rates, **_measured(source)}, TokenLatency
    )
    comments = {"latency": [*_told(first), *(_told(rate) if rate else ())]}
    if like is None:
        notes.append("no shipped profile is like it: price, limits and the rest are left out")
        told = {"provider": provider, "model": model, "latency": latency}
        return Fitted(msgspec.convert(told, ModelProfile), comments, notes)
    profile = structs.replace(like, latency=latency, claim_of="", instead="", retired=None)
    if profile.reasoning is not None and not profile.reasoning.shown:
        profile = structs.replace(profile, reasoning=None)
        notes.append("what it thinks unseen is part of its first token's time, and left out apart")
    return Fitted(profile, comments, notes)


def text_of(profile: Profile, head: Sequence[str], comments: Comments) -> str:
    """The profile as its file says it; what is as it would be anyhow is left out."""
    told = dict(_said(profile))
    plain = {name: value for name, value in told.items() if not isinstance(value, Figures)}
    lines = [*(f"# {printable(line)}" for line in head), *_lines(plain)]
    for section, of in told.items():
        if isinstance(of, Figures):
            about = (f"# {printable(line)}" for line in comments.get(section, ()))
            lines += ["", f"[{section}]", *about, *_lines(_figures_first(of))]
    return "\n".join(lines) + "\n"


def printable(text: str) -> str:
    """In one line, whatever a foreign file says: a line end would end a comment, too."""
    return "".join(of if of.isprintable() else "?" for of in text)


def held_words(held: Held, unit: str) -> str:
    """One quantile of the sample beside the law's."""
    name = f"p{100 * held.q:g}"
    if held.seen is None or held.lo is None or held.hi is None or held.error is None:
        return f"{name}: n too small to tell; the law says {held.law:.4g} {unit}"
    between = f"[{held.lo:.4g}, {held.hi:.4g}]"
    return f"{name} {held.seen:.4g} {unit} {between}, the law {100 * held.error:+.1f} %"


def distance_words(fit: Fit) -> str:
    if fit.p is None:
        return f"KS {fit.distance:.3f} from values that they were not taken from"
    return f"KS {fit.distance:.3f}, p {fit.p:.2g} with the fit reckoned in"


LAW_WORDS = {
    "lognormal": "lognormal",
    "stalls": "lognormal with stalls",
    "quantiles": "quantiles as seen",
}


def in_ms(fit: Fit) -> list[Held]:
    return [_scaled(held, 1e3) for held in fit.held]


def quantiles_json(held: Sequence[Held]) -> list[dict[str, object]]:
    """Of times in seconds."""
    return [
        {
            "q": of.q,
            "law_ms": of.law,
            "seen_ms": of.seen,
            "lo_ms": of.lo,
            "hi_ms": of.hi,
            "error": of.error,
        }
        for one in held
        for of in [_scaled(one, 1e3)]
    ]


def _session(
    pay: Part, opening: Part | None, like: SessionTerms, source: Source
) -> tuple[SessionTerms, list[str]]:
    if opening is None:
        return like, [f"no session was timed: its share of {like.share:g} is kept as it was"]
    whole = opening.fit.law.quantile(0.5) + pay.fit.law.quantile(0.5)
    share = min(MOST_OPENING, round(opening.fit.law.quantile(0.5) / whole, 4))
    told = f"share of the medians measured: {source.text}; the rest: {like.source}"
    shared = pay.fit.law.times(share / (1 - share))
    off = shared.quantile(0.99) / opening.fit.law.quantile(0.99) - 1
    notes = [
        "a session's times are drawn as its share of the transaction's law: at p99 that is "
        f"{100 * off:+.0f} % off"
    ]
    return structs.replace(like, share=share, source=told), notes


def _key(part: Part, like: KeyTerms, source: Source) -> KeyTerms:
    fetch_ms = round(1e3 * part.fit.law.quantile(0.5), 3)
    told = f"median fetch measured: {source.text}; the rest: {like.source}"
    return structs.replace(like, fetch_ms=fetch_ms, source=told)


def _part(parts: Parts, times: str) -> Part:
    return next(part for part in parts.found if part.times == times)


def _shaped(told: dict[str, object], kind: type[FiguresT]) -> FiguresT:
    """Raises Unfit where a figure is beyond what a profile can say."""
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise Unfit(f"what was measured is beyond a profile: {error}") from None


def _measured(source: Source) -> dict[str, object]:
    return {"provenance": "measured", "source": source.text, "date": source.date}


def _ms(law: Law) -> Law:
    return law.times(1e3)


def _named(law: Law, prefix: str = "") -> dict[str, object]:
    """As a profile names its figures; to the microsecond."""
    usual = law.usual if isinstance(law, Stalling) else law
    p50, p99 = _ends(usual)
    named: dict[str, object] = {f"{prefix}p50_ms": p50, f"{prefix}p99_ms": p99}
    if isinstance(law, Stalling):
        stall_p50, stall_p99 = _ends(law.stall)
        share = min(0.999_999, max(0.000_001, round(law.share, 6)))
        named["stalls"] = {"share": share, "p50_ms": stall_p50, "p99_ms": stall_p99}
    if isinstance(law, Empirical):
        named["quantiles_ms"] = [(share, _rounded(ms)) for share, ms in law.points]
    return named


def _ends(law: Law) -> tuple[float, float]:
    p50 = _rounded(law.quantile(0.5))
    return p50, max(_rounded(law.quantile(0.99)), _rounded(p50 * NARROWEST) + 0.001)


def _rounded(ms: float) -> float:
    return max(0.001, round(ms, 3))


def _rates(token_s: Law) -> dict[str, float]:
    p50, p99 = token_s.quantile(0.5), token_s.quantile(0.99)
    usual, slowest = (float(f"{1 / of:.6g}") for of in (p50, p99))
    if p99 <= STEADY * p50:
        return {"tokens_per_s": usual}
    return {"tokens_per_s": usual, "tokens_per_s_p1": slowest}


def _told(part: Part) -> Iterator[str]:
    stages = ", ".join(stage for stage in part.stages if stage)
    of = f" of {stages}" if stages else ""
    yield (
        f"{part.times.capitalize()}: {part.fit.n:,} calls{of}; {LAW_WORDS[part.fit.kind]}, "
        f"{distance_words(part.fit)}."
    )
    for held in in_ms(part.fit):
        yield held_words(held, "ms") + "."


def _scaled(held: Held, factor: float) -> Held:
    seen, lo, hi = (of if of is None else of * factor for of in (held.seen, held.lo, held.hi))
    return Held(held.q, held.law * factor, seen, lo, hi)


def _said(of: msgspec.Struct) -> Iterator[tuple[str, object]]:
    for field in structs.fields(of):
        value: object = getattr(of, field.name)
        if value != field.default:
            yield field.name, value


def _figures_first(of: Figures) -> dict[str, object]:
    """Before where they are from."""
    told = dict(_said(of))
    return {name: told.pop(name) for name in [*told] if name not in _FROM} | told


_FROM = {field.name for field in structs.fields(Figures)}


def _lines(values: Mapping[str, object]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            yield f"{name} = ["
            yield from _wrapped(value)
            yield "]"
        else:
            yield f"{name} = {_value(value)}"


def _wrapped(pairs: Sequence[object], in_a_line: int = 5) -> Iterator[str]:
    for at in range(0, len(pairs), in_a_line):
        yield "    " + " ".join(f"{_value(pair)}," for pair in pairs[at : at + in_a_line])


def _value(value: object) -> str:
    """A JSON string, number or truth value is TOML's too."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, msgspec.Struct):
        return f"{{ {', '.join(_lines(dict(_said(value))))} }}"
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
