"""Profiles: a provider's latency, limits and fees as data with provenance; never code.

A profile is one TOML file. The shipped ones lie in mocks/profiles/ and go by their file name; any
other file is named by its path.
"""

import datetime
import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

FOLDER = Path(__file__).parent / "profiles"

Provenance = Literal["article", "vendor", "measured", "assumed"]
# The upper bounds keep out infinity, which TOML can spell.
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Minor = Annotated[int, msgspec.Meta(ge=0)]


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Figures and where they come from."""

    provenance: Provenance
    source: str
    date: datetime.date


class Overhead(Figures, frozen=True, kw_only=True):
    """One cold transaction, session included: lognormal by its median and 99th percentile."""

    p50_ms: Positive
    p99_ms: Positive


class SessionTerms(Figures, frozen=True, kw_only=True):
    share: Share
    lifetime_s: Positive


class KeyTerms(Figures, frozen=True, kw_only=True):
    fetch_ms: NotNegative
    rotation_days: Positive
    overlap_s: NotNegative


class Fee(Figures, frozen=True, kw_only=True):
    """A share of the amount, but never less than the minimum."""

    rate: Share
    minimum_minor: Minor
    currency: str

    def of(self, amount_minor: int) -> int:
        """The fee in minor units, half a unit rounded up."""
        # Parts per million keep the product exact: 0.006 has no exact binary fraction.
        per_million = round(self.rate * 1_000_000)
        return max(self.minimum_minor, (amount_minor * per_million + 500_000) // 1_000_000)


class TokenLatency(Figures, frozen=True, kw_only=True):
    """Time to first token, lognormal by its median and 99th percentile, then a steady rate."""

    ttft_p50_ms: Positive
    ttft_p99_ms: Positive
    tokens_per_s: Positive


class PaymentProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wire: Literal["wechat-ai"]
    overhead: Overhead
    session: SessionTerms
    key: KeyTerms
    fee: Fee


class ModelProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wire: Literal["openai"]
    latency: TokenLatency


ProfileT = TypeVar("ProfileT", PaymentProfile, ModelProfile)


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
    _check_order(path.name, profile)
    return profile


def names(kind: type[ProfileT]) -> list[str]:
    """The shipped profiles of this kind."""
    wire = "wechat-ai" if kind is PaymentProfile else "openai"
    texts = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.toml"))}
    return [name for name, text in texts.items() if tomllib.loads(text)["wire"] == wire]


def fingerprint(profile: PaymentProfile | ModelProfile) -> str:
    """The same for the same figures, whatever the file's comments and layout."""
    return hashlib.sha256(msgspec.json.encode(profile, order="sorted")).hexdigest()[:16]


def _check_order(name: str, profile: PaymentProfile | ModelProfile) -> None:
    if isinstance(profile, PaymentProfile):
        low, high, what = profile.overhead.p50_ms, profile.overhead.p99_ms, "overhead.p99_ms"
    else:
        latency = profile.latency
        low, high, what = latency.ttft_p50_ms, latency.ttft_p99_ms, "latency.ttft_p99_ms"
    if high <= low:
        raise BadProfile(f"{name}: {what} must be above the median of {low:g} ms, not {high:g}")
