"""Profiles: a provider's latency, limits and fees as data with provenance; never code.

A profile is one TOML file. The shipped ones lie in mocks/profiles/ and go by their file name; any
other file is named by its path.
"""

import datetime
import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from harness.faults import Fault
from mocks.figures import (
    Approval,
    ColdSchema,
    Fee,
    Figures,
    GatewayProvider,
    Hop,
    KeepAlive,
    KeyTerms,
    Limits,
    ModelProvider,
    Overhead,
    PaymentProvider,
    Price,
    Rate,
    Reasoning,
    SessionTerms,
    Share,
    Stalls,
    Structure,
    Timed,
    TokenLatency,
    WebhookTerms,
)

FOLDER = Path(__file__).parent / "profiles"


class PaymentProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A payment provider. What its wire does not have, its profile leaves out."""

    provider: PaymentProvider
    overhead: Overhead
    fee: Fee
    session: SessionTerms | None = None
    key: KeyTerms | None = None
    webhook: WebhookTerms | None = None
    approval: Approval | None = None
    limits: Limits | None = None
    faults: dict[Fault, Share] | UnsetType = UNSET
    """The share of its calls that each fault strikes."""


class ModelProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model at its provider. `model` is its id on the wire, else it goes by its profile's name;
    `claim_of` names the profile with the measured figures where these are only claimed.

    Where no API answers to that id any more, `instead` names the profile of a model that lives in
    its place, and `retired` is since when, where it ever lived."""

    provider: ModelProvider
    latency: TokenLatency
    model: str = ""
    claim_of: str = ""
    instead: str = ""
    retired: datetime.date | None = None
    price: Price | None = None
    reasoning: Reasoning | None = None
    structure: Structure | None = None
    cold_schema: ColdSchema | None = None
    keep_alive: KeepAlive | None = None
    limits: Limits | None = None
    faults: dict[Fault, Share] | UnsetType = UNSET


class GatewayProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gateway between the app and the models."""

    provider: GatewayProvider
    hop: Hop
    limits: Limits | None = None


class ExchangeProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one currency is worth in another, to add fees and token prices up."""

    rate: Rate


Profile = PaymentProfile | ModelProfile | GatewayProfile | ExchangeProfile
ProfileT = TypeVar("ProfileT", PaymentProfile, ModelProfile, GatewayProfile, ExchangeProfile)

FARTHEST = 1e12
"""How many times as long one figure of a time may be as another: beyond, draws are not finite."""

SUMMARY_SLACK = 0.02
"""How far a summary may be from the quantiles that it sums up: so much for rounding."""

_SECTION: dict[type[Profile], str] = {
    PaymentProfile: "overhead",
    ModelProfile: "latency",
    GatewayProfile: "hop",
    ExchangeProfile: "rate",
}
"""The section that only a profile of this kind has."""

_NO_FIGURES = ("instead", "retired")
"""What a mock does not replay."""

_NEEDS: dict[str, tuple[str, ...]] = {
    "wechat-ai": ("session", "key"),
    "alipay-ai": ("webhook", "approval"),
    "unionpay-ai": ("session",),
}
"""The sections that a provider's wire cannot do without."""


class BadProfile(ValueError):
    """The name or file is no such profile; the message is one line that names the mend."""


def load(name: str, kind: type[ProfileT]) -> ProfileT:
    """The profile of that name or path, or BadProfile."""
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        path = Path(name)
    try:
        profile = msgspec.convert(tomllib.loads(path.read_text("utf-8")), kind)
    except OSError:
        known = ", ".join(names(kind))
        raise BadProfile(
            f"unknown profile {name!r}: take {known}, or a path to a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadProfile(f"{path.name} is not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BadProfile(f"{path.name}: {error}") from None
    _check(path.name, profile)
    return profile


def names(kind: type[Profile]) -> list[str]:
    """The shipped profiles of this kind."""
    texts = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.toml"))}
    return [name for name, text in texts.items() if _SECTION[kind] in tomllib.loads(text)]


def kind_of(name: str) -> type[Profile] | None:
    """What the profile of that name or path is, by the section that only its kind has; None where
    there is none to read."""
    path = FOLDER / f"{name}.toml"
    try:
        told = tomllib.loads((path if path.is_file() else Path(name)).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return next((kind for kind, section in _SECTION.items() if section in told), None)


def figures(profile: Profile) -> Iterator[tuple[str, Figures]]:
    """Every section that holds figures, with its name."""
    for field in msgspec.structs.fields(profile):
        section = getattr(profile, field.name)
        if isinstance(section, Figures):
            yield field.name, section


def fingerprint(profile: Profile) -> str:
    """The same for the same figures, whatever the file's comments and layout."""
    told: dict[str, object] = msgspec.to_builtins(profile)
    figures_of = {name: of for name, of in told.items() if name not in _NO_FIGURES}
    return hashlib.sha256(msgspec.json.encode(figures_of, order="sorted")).hexdigest()[:16]


def _check(name: str, profile: Profile) -> None:
    if isinstance(profile, PaymentProfile):
        for needed in _NEEDS.get(profile.provider, ()):
            if getattr(profile, needed) is None:
                raise BadProfile(f"{name}: {profile.provider} needs a section [{needed}]")
    for section, of in figures(profile):
        for low, high in _ordered(of):
            for wrong in _unordered(getattr(of, low), getattr(of, high)):
                raise BadProfile(f"{name}: {section}.{high} {wrong}")
        for wrong in _misshapen(of):
            raise BadProfile(f"{name}: {section}.{wrong}")


def _misshapen(of: Figures) -> Iterator[str]:
    if (
        isinstance(of, TokenLatency)
        and of.tokens_per_s_p1 is not UNSET
        and of.tokens_per_s_p1 >= of.tokens_per_s
    ):
        yield f"tokens_per_s_p1 must be below the median of {of.tokens_per_s:g}"
    if not isinstance(of, Timed):
        return
    if of.stalls is not UNSET:
        yield from _bad_stalls(of, of.stalls)
    if of.quantiles_ms is not UNSET:
        yield from _bad_quantiles(of, of.quantiles_ms)


def _bad_stalls(of: Timed, stalls: Stalls) -> Iterator[str]:
    if of.quantiles_ms is not UNSET:
        yield "stalls and quantiles_ms are two laws: keep one"
    for wrong in _unordered(stalls.p50_ms, stalls.p99_ms):
        yield f"stalls.p99_ms {wrong}"
    usual_ms = of.usual_ms().p50
    if stalls.p50_ms <= usual_ms:
        yield f"stalls.p50_ms must be above the usual median of {usual_ms:g}"


def _bad_quantiles(of: Timed, pairs: Sequence[tuple[float, float]]) -> Iterator[str]:
    shares, times = ([pair[n] for pair in pairs] for n in range(2))
    if not pairs or shares[0] != 0 or shares[-1] != 1:
        yield "quantiles_ms must begin with the time of share 0, the least, and end with that of 1"
        return
    if any(b <= a for a, b in pairwise(shares)) or any(b < a for a, b in pairwise(times)):
        yield "quantiles_ms must rise from pair to pair; only two times may be the same"
        return
    if times[-1] > FARTHEST * times[0]:
        yield f"quantiles_ms must reach no further than {FARTHEST:g} times its least"
        return
    law, said = of.law_ms(), of.usual_ms()
    for q, told in ((0.5, said.p50), (0.99, said.p99)):
        seen = law.quantile(q)
        if abs(told / seen - 1) > SUMMARY_SLACK:
            yield f"quantiles_ms have a p{100 * q:g} of {seen:g} ms, its summary says {told:g}"


def _unordered(p50: float, p99: float) -> Iterator[str]:
    if p99 <= p50:
        yield f"must be above the median of {p50:g}, not {p99:g}"
    elif p99 > FARTHEST * p50:
        yield f"must be at most {FARTHEST:g} times the median of {p50:g}, not {p99:g}"


def _ordered(of: Figures) -> Iterator[tuple[str, str]]:
    """The names of a median and its 99th percentile, wherever a section has both."""
    fields = {field.name for field in msgspec.structs.fields(of)}
    for low in fields:
        high = low.replace("p50", "p99")
        if high != low and high in fields:
            yield low, high
