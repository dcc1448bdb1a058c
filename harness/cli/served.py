"""What `mocks serve` serves: every provider with its usual profile, or with the one that the user
named; it gathers mistakes and serves nothing.

Of a payment provider or gateway there is one profile, its namesake unless another is named. Of
models there are all that are shipped, and those that are named besides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from msgspec import structs

from harness.cli.problems import Problems
from harness.cli.setup import MOST_CAPACITY, MOST_SEED
from harness.faults import Fault
from mocks.figures import Limits
from mocks.host import PAYMENTS, MockConfig
from mocks.profile import (
    BadProfile,
    ExchangeProfile,
    GatewayProfile,
    ModelProfile,
    PaymentProfile,
    Profile,
    fingerprint,
    kind_of,
    load,
    names,
)

OfKind = TypeVar("OfKind", PaymentProfile, ModelProfile, GatewayProfile, ExchangeProfile)

Place = tuple[type[Profile], str]
"""Of which there can be one profile: a kind, and a provider, or a model's name."""


Places = dict[Place, tuple[str, Profile]]
"""Each with its profile and that one's name."""


@dataclass(frozen=True, slots=True)
class Served:
    """The mocks, and the profiles that they have, each with its name."""

    mocks: MockConfig
    profiles: Sequence[tuple[str, Profile]]

    def fingerprints(self) -> dict[str, str]:
        return {name: fingerprint(profile) for name, profile in self.profiles}

    def names_at(self, provider: str) -> list[str]:
        """Of the profiles that this provider has."""
        return [name for name, of in self.profiles if _provider(of) == provider]


def chosen(
    problems: Problems,
    seed: str,
    profiles: Sequence[str],
    capacities: Sequence[str],
    faults: Mapping[Fault, float] = {},
) -> Served:
    """Raises BadInput with all that is wrong, what the caller found before included."""
    number = problems.whole("--seed", seed, 0, MOST_SEED)
    places = _limited(_with_named(_usual(), profiles, problems), capacities, problems)
    problems.settle()
    (exchange,) = _of_kind(places, ExchangeProfile).values()
    mocks = MockConfig(
        seed=number,
        pay=_of_kind(places, PaymentProfile),
        models=_of_kind(places, ModelProfile),
        gateways=_of_kind(places, GatewayProfile),
        cny_per_usd=exchange.rate.cny_per_usd,
        faults=dict(faults),
    )
    return Served(mocks, list(places.values()))


def _usual() -> Places:
    models = {name: load(name, ModelProfile) for name in names(ModelProfile)}
    # Where several models go by one id on the wire, the last has it.
    claims_first = sorted(models, key=lambda name: not models[name].claim_of)
    gateways = {name: load(name, GatewayProfile) for name in names(GatewayProfile)}
    usual: dict[str, Profile] = {
        **{name: load(name, PaymentProfile) for name in names(PaymentProfile) if name in PAYMENTS},
        **{name: models[name] for name in claims_first},
        **{name: of for name, of in gateways.items() if of.provider == name},
        "exchange": load("exchange", ExchangeProfile),
    }
    return {_place(name, profile): (name, profile) for name, profile in usual.items()}


def _with_named(usual: Places, given: Sequence[str], problems: Problems) -> Places:
    """A named profile takes the place of the usual one, and comes after all others."""
    named: Places = {}
    for text in given:
        profile = _loaded(text, problems)
        if profile is None:
            continue
        name = Path(text).stem if text.endswith(".toml") else text
        place = _place(name, profile)
        if place in named:
            problems.add(f"--profile: {named[place][0]} and {text} are for the same; keep one")
        named[place] = (name, profile)
    return {place: of for place, of in usual.items() if place not in named} | named


def _loaded(name: str, problems: Problems) -> Profile | None:
    kind = kind_of(name)
    if kind is None and not Path(name).is_file():
        known = ", ".join(name for kind in _KINDS for name in names(kind))
        problems.add(f"--profile: unknown profile {name!r}: take {known}, or a path to a TOML file")
        return None
    try:
        # What a file lacks is told as of a payment profile, where nothing says what else it is.
        return load(name, cast(type[PaymentProfile], kind or PaymentProfile))
    except BadProfile as error:
        problems.add(f"--profile: {error}")
        return None


def _limited(places: Places, given: Sequence[str], problems: Problems) -> Places:
    """With servers that take so many calls at once: all of them, or those of one profile."""
    limited = dict(places)
    for text in given:
        only, named, number = text.rpartition("=")
        slots = problems.whole("--capacity", number, 1, MOST_CAPACITY)
        meant = [place for place, (name, _) in places.items() if not named or name == only]
        if not meant:
            known = ", ".join(name for name, _ in places.values())
            problems.add(f"--capacity: no profile {only!r} is served; there are {known}")
        for place in meant:
            name, profile = limited[place]
            limited[place] = name, _with_slots(profile, slots)
    return limited


def _with_slots(profile: Profile, slots: int) -> Profile:
    if isinstance(profile, ExchangeProfile):
        return profile
    limits = structs.replace(
        profile.limits or Limits.none(), slots=slots, provenance="assumed", source="--capacity"
    )
    return structs.replace(profile, limits=limits)


def _place(name: str, profile: Profile) -> Place:
    where = name if isinstance(profile, ModelProfile) else _provider(profile)
    return type(profile), where


def _provider(profile: Profile) -> str:
    return "" if isinstance(profile, ExchangeProfile) else profile.provider


def _of_kind(places: Places, kind: type[OfKind]) -> dict[str, OfKind]:
    return {where: of for (_, where), (_, of) in places.items() if isinstance(of, kind)}


_KINDS: tuple[type[Profile], ...] = (
    PaymentProfile,
    ModelProfile,
    GatewayProfile,
    ExchangeProfile,
)
