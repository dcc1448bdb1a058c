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


@dataclass(frozen=True, slots=True)
class Served:
    """The mocks, and the profiles that they have, by name."""

    mocks: MockConfig
    profiles: Mapping[str, Profile]

    def fingerprints(self) -> dict[str, str]:
        return {name: fingerprint(profile) for name, profile in self.profiles.items()}

    def names_at(self, provider: str) -> list[str]:
        """Of the profiles that this provider has."""
        return [name for name, of in self.profiles.items() if _provider(of) == provider]


def chosen(
    problems: Problems, seed: str, profiles: Sequence[str], capacities: Sequence[str]
) -> Served:
    """Raises BadInput with all that is wrong, what the caller found before included."""
    number = problems.whole("--seed", seed, 0, MOST_SEED)
    places = _with_named(_usual(), profiles, problems)
    by_name = _limited(dict(places.values()), capacities, problems)
    problems.settle()
    placed = {place: by_name[name] for place, (name, _) in places.items()}
    exchange = _of_kind(placed, ExchangeProfile)["exchange"]
    mocks = MockConfig(
        seed=number,
        pay=_of_kind(placed, PaymentProfile),
        models=_of_kind(placed, ModelProfile),
        gateways=_of_kind(placed, GatewayProfile),
        cny_per_usd=exchange.rate.cny_per_usd,
    )
    return Served(mocks, by_name)


Places = dict[Place, tuple[str, Profile]]


def _usual() -> Places:
    models = {name: load(name, ModelProfile) for name in names(ModelProfile)}
    # Where several models go by one id on the wire, the last has it: not a claim's.
    claimed_first = sorted(models.items(), key=lambda item: not item[1].claim_of)
    usual: dict[str, Profile] = {
        **{name: load(name, PaymentProfile) for name in names(PaymentProfile) if name in PAYMENTS},
        **dict(claimed_first),
        **{
            name: of
            for name in names(GatewayProfile)
            if (of := load(name, GatewayProfile)).provider == name
        },
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
            other = named[place][0]
            problems.add(f"--profile: {other} and {text} are both for {place[1]}; keep one")
        named[place] = (name, profile)
    return {place: of for place, of in usual.items() if place not in named} | named


def _loaded(name: str, problems: Problems) -> Profile | None:
    kind = kind_of(name)
    try:
        # A kind that is not known is told as a payment profile would be: with its mend.
        return load(name, cast(type[PaymentProfile], kind or PaymentProfile))
    except BadProfile as error:
        problems.add(f"--profile: {error}")
        return None


def _limited(
    profiles: dict[str, Profile], given: Sequence[str], problems: Problems
) -> dict[str, Profile]:
    """With servers that take so many calls at once: all of them, or those of one profile."""
    limited = dict(profiles)
    for text in given:
        name, _, number = text.rpartition("=")
        slots = problems.whole("--capacity", number, 1, MOST_CAPACITY)
        if name and (name not in limited or isinstance(limited[name], ExchangeProfile)):
            problems.add(f"--capacity: no profile {name!r} is served; there are {_list(limited)}")
        for each in [name] if name in limited else limited if not name else []:
            limited[each] = _with_slots(limited[each], slots)
    return limited


def _with_slots(profile: Profile, slots: int) -> Profile:
    if isinstance(profile, ExchangeProfile):
        return profile
    limits = structs.replace(
        profile.limits or Limits.none(), slots=slots, provenance="assumed", source="--capacity"
    )
    return structs.replace(profile, limits=limits)


def _place(name: str, profile: Profile) -> Place:
    provider = _provider(profile)
    model = isinstance(profile, ModelProfile)
    return type(profile), name if model or provider is None else provider


def _provider(profile: Profile) -> str | None:
    return None if isinstance(profile, ExchangeProfile) else profile.provider


def _of_kind(placed: Mapping[Place, Profile], kind: type[OfKind]) -> dict[str, OfKind]:
    return {where: of for (_, where), of in placed.items() if isinstance(of, kind)}


def _list(profiles: Mapping[str, Profile]) -> str:
    return ", ".join(name for name, of in profiles.items() if _provider(of))
