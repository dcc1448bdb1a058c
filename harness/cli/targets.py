"""Which providers of a run are asked in reality, which stay mocks and why; it asks none of them.

A provider is asked in reality when `--targets real` was given, the environment has its credentials
under the names that its own SDK reads, and they are of a kind that may be used. All others that the
run needs stay mocks, and are named so.
"""

import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import structs

from harness.cli.casting import Speaking
from harness.cli.estimate import Expected, Played, beyond_caps, expected
from harness.cli.exits import BadInput
from harness.cli.problems import Problems
from harness.providers import PAYMENTS
from harness.real.caps import MOST_ORDERS, MOST_SPEND_USD, USUAL, Caps, least_minor
from harness.real.credentials import PROVIDERS, Found, Missing, Refused, find, secrets_of
from harness.real.usage import Price
from harness.record import TargetSummary
from mocks.profile import ModelProfile

Side = Found | Missing | Refused

NO_COUNTERPART = "there is no such provider but the mock"

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
LUCK_BYTES = 2

Endpoints = Literal["mock", "real", "mixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options about targets as the user wrote them, and the environment that they were written
    in; it is never shown."""

    targets: str = "mock"
    live_wechat_orders: bool = False
    most_orders: str | None = None
    most_spend_usd: str | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    @property
    def real(self) -> bool:
        return self.targets == "real"

    @property
    def given(self) -> bool:
        """Whether anything was asked for but what is usual."""
        most = (self.most_orders, self.most_spend_usd)
        return self.targets != "mock" or self.live_wechat_orders or most != (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """What of a run is asked in reality, as it was found and allowed."""

    found: Mapping[str, Found]
    """By provider."""
    targets: Mapping[str, TargetSummary]
    """Of every provider that the run asks."""
    expected: Sequence[Expected]
    caps: Caps
    prices: Mapping[str, Price]
    """By the model's id on the wire."""
    prefix: str
    """Begins every order number: no other run's has it."""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Whatever of the environment must never be seen."""

    def least_minor(self, provider: str) -> dict[str, int]:
        """What an order there may be of, by currency, the likeliest first."""
        return {currency.upper(): minor for currency, minor in least_minor(provider).items()}

    @property
    def endpoints(self) -> Endpoints:
        kinds = {of.kind == "mock" for of in self.targets.values()}
        return "mixed" if len(kinds) > 1 else "real"


def checked_targets(
    wanted: Wanted,
    played: Played | None,
    problems: Problems,
    *,
    written_clock: str = "real",
) -> Real | None:
    """None where all are to be mocks, or where something is wrong, which is then a problem. What a
    run is made of may be unknown, as where its scenario is; then only the options are checked."""
    caps = caps_of(wanted, problems)
    if wanted.targets not in ("mock", "real"):
        problems.add(f"--targets must be mock or real, not {wanted.targets!r}")
    if not wanted.real:
        _refuse_alone(wanted, problems)
        return None
    if sys.platform == "win32":
        problems.add(
            "--targets real: this system has no lock by which a reaper could tell a run that goes "
            "on from one that crashed; take Linux or macOS"
        )
    if written_clock == "virtual":
        problems.add(
            "--clock virtual: real providers answer in real time only; leave it out, or take "
            "--targets mock"
        )
    if played is None:
        return None
    sides = {name: side_of(name, wanted) for name in providers_of(played)}
    targets = {
        name: structs.replace(target_of(name, side), models=_models_at(name, played.speaking))
        for name, side in sides.items()
    }
    for problem in objections(played, sides, caps):
        problems.add(problem)
    found = {name: side for name, side in sides.items() if isinstance(side, Found)}
    if not found:
        if not any(isinstance(side, Refused) for side in sides.values()):
            told = "; ".join(f"{name}: {of.why}" for name, of in targets.items())
            problems.add(
                f"--targets real: the environment opens nobody whom this run asks ({told}); "
                "tollbench doctor tells of all"
            )
        return None
    return Real(
        found=found,
        targets=targets,
        expected=expected(played, found),
        caps=caps,
        prices=prices_of(played.speaking.models),
        prefix=run_prefix(),
        secrets=frozenset(secrets_of(wanted.environ)),
    )


def objections(played: Played, sides: Mapping[str, Side | None], caps: Caps) -> Iterator[str]:
    """Why a run on these would be refused, a line each with its mend; where nobody was found there
    is nothing else to say."""
    found = [name for name, side in sides.items() if isinstance(side, Found)]
    for side in sides.values():
        if isinstance(side, Refused):
            yield f"--targets real: {side.provider}: {side.why}"
    gateway, fallback = played.speaking.gateway, played.speaking.fallback
    if fallback and gateway is not None and gateway.provider in found:
        yield (
            f"--fallback {fallback}: what a real gateway falls back to is set up there; leave it "
            "out, or take --gateway none"
        )
    yield from _gone_models(played.speaking, found)
    yield from _unpriced(played.speaking, found)
    for problem in beyond_caps(expected(played, found), caps):
        yield f"--targets real: {problem}"


def caps_of(wanted: Wanted, problems: Problems) -> Caps:
    """The usual ones, and those that the user has set within what may be."""
    own, caps = Problems(), USUAL
    if wanted.most_orders is not None:
        most = own.whole("--most-orders", wanted.most_orders, 1, MOST_ORDERS)
        caps = structs.replace(caps, orders=most)
    if wanted.most_spend_usd is not None:
        most_usd = own.number("--most-spend-usd", wanted.most_spend_usd, 0, MOST_SPEND_USD)
        caps = structs.replace(caps, spend_usd=most_usd)
    try:
        own.settle()
    except BadInput as error:
        for problem in error.problems:
            problems.add(problem)
        return USUAL  # So that no cap that was not meant refuses the run besides.
    return caps


def side_of(provider: str, wanted: Wanted) -> Side | None:
    """None where there is no counterpart."""
    if provider not in PROVIDERS:
        return None
    return find(provider, wanted.environ, allow_production=wanted.live_wechat_orders)


def target_of(provider: str, side: Side | None) -> TargetSummary:
    """What that provider would be in a run on real targets, and why."""
    payments = provider in PAYMENTS
    if isinstance(side, Found):
        names = ", ".join(side.variables)
        return TargetSummary(kind=side.mode, why=f"by {names}", payments=payments)
    why = NO_COUNTERPART if side is None else side.why
    return TargetSummary(kind="mock", why=why, payments=payments)


def run_prefix(now_s: Callable[[], float] = time.time, luck: bytes | None = None) -> str:
    """Short, of letters and digits, and no other run's: the second in which it began, and a draw
    that no seed makes again."""
    drawn = os.urandom(LUCK_BYTES) if luck is None else luck
    return f"t{_base36(int(now_s()))}{_base36(int.from_bytes(drawn, 'big')):0>4}"


def prices_of(models: Mapping[str, ModelProfile]) -> dict[str, Price]:
    """By the id on the wire, of those whose price somebody told."""
    return {
        _id_of(name, profile): (profile.price.input_usd, profile.price.output_usd)
        for name, profile in models.items()
        if profile.price is not None
    }


def providers_of(played: Played) -> list[str]:
    """Every provider that the run asks, models first."""
    speaking = played.speaking
    models = (speaking.asked_at(speaking.models[name]) for name in speaking.roles.values())
    payments = (profile.provider for profile in played.pay.values())
    return list(dict.fromkeys((*models, *payments)))


def _models_at(provider: str, speaking: Speaking) -> dict[str, str]:
    return {
        role: _id_of(name, speaking.models[name])
        for role, name in speaking.roles.items()
        if speaking.asked_at(speaking.models[name]) == provider
    }


def _id_of(name: str, profile: ModelProfile) -> str:
    return profile.model or name


def _refuse_alone(wanted: Wanted, problems: Problems) -> None:
    given = {
        "--live-wechat-orders": wanted.live_wechat_orders,
        "--most-orders": wanted.most_orders is not None,
        "--most-spend-usd": wanted.most_spend_usd is not None,
    }
    for option in (name for name, is_given in given.items() if is_given):
        problems.add(f"{option} is for --targets real: add that, or leave it out")


def _gone_models(speaking: Speaking, real: Collection[str]) -> Iterator[str]:
    """A line for each model that is to be asked in reality and that no API serves any more."""
    for role, name in speaking.roles.items():
        profile = speaking.models[name]
        if profile.instead and speaking.asked_at(profile) in real:
            yield (
                f"--{role} {name}: {_gone(profile)}, so only a mock answers as it; take "
                f"--{role} {profile.instead}"
            )


def _unpriced(speaking: Speaking, real: Collection[str]) -> Iterator[str]:
    """A line for each model that would be asked in reality and whose price nobody told: what it
    spends could not be held to a cap."""
    for role, name in speaking.roles.items():
        profile = speaking.models[name]
        if profile.price is None and speaking.asked_at(profile) in real:
            yield f"--{role} {name}: its profile has no [price], so no cap could hold it: add one"


def _gone(profile: ModelProfile) -> str:
    if profile.retired is None:
        return "no API serves it"
    return f"{profile.model or 'it'} was retired on {profile.retired.isoformat()}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = DIGITS[digit] + digits
    return digits or "0"
