"""What a run would ask of each real provider, estimated before it begins; it asks nobody.

A turn is taken to go well: one call for each role that its scenario has, and one payment with what
follows from it. Whatever goes otherwise is held by the caps, which count what is really sent.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.cli.casting import Speaking, Variant
from harness.flow.agent import Scenario
from harness.flow.model import Role
from harness.real.caps import Caps, most_orders
from mocks.profile import ModelProfile, PaymentProfile

PROMPT_TOKENS: Mapping[Role, int] = {"intent": 600, "confirm": 150, "reason": 200, "score": 150}
COMPLETION_TOKENS: Mapping[Role, int] = {"intent": 60, "confirm": 120, "reason": 60, "score": 10}
"""About, by the prompts of this project and by answers of usual length, without what is thought."""

CLOSED = ("wechatpay", "alipay-ai", "alipay-v3")
"""Where an order that nobody is there to pay is made and closed; elsewhere it is one call."""
AFTER_CALLS = 2
"""At the end each order that is left is asked for, and given back."""

MILLION = 1e6
SURELY = 3.1
"""Standard deviations: 999 of 1,000 draws lie below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a run is, as far as it hangs on it what is asked of whom."""

    scenario: Scenario
    speaking: Speaking
    pay: Mapping[str, PaymentProfile]
    """By lane."""
    variants: Sequence[Variant]
    turns: int
    """Of all strategies and rounds, those for warming up included."""
    rate: float
    """Turns/s, all strategies together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one provider would be sent."""

    provider: str
    requests_per_turn: int
    requests: int
    """In all, about."""
    per_s: float
    per_s_at_1: float = 0.0
    """The same at one turn/s of all strategies together, of which some may pay elsewhere."""
    orders: int = 0
    """At most, where all goes well."""
    usd: float = 0.0
    """For tokens, about."""


def most_turns(rate: float, duration_s: float, turns_each: int) -> int:
    """Of conversations that arrive at random for so long, and one turn to warm up: more come once
    in a thousand. It is by whole conversations that a run is longer or shorter."""
    mean = rate * duration_s / turns_each
    return math.ceil(mean + SURELY * math.sqrt(mean)) * turns_each + 1


def expected(played: Played, real: Iterable[str]) -> list[Expected]:
    """Of the providers that would be asked in reality, models first."""
    asked = set(real)
    return [*_models(played, asked), *_payments(played, asked)]


def beyond_caps(found: Iterable[Expected], caps: Caps) -> Iterator[str]:
    """A line for each cap that the run would not keep, with its mend."""
    everything = list(found)
    for of in everything:
        most = most_orders(caps, of.provider)
        if of.orders > most:
            more = ", or allow more with --most-orders" if most == caps.orders else ""
            yield (
                f"{of.provider}: {of.orders:,} orders would be made, and the most is {most:,}: "
                f"take fewer turns{more}"
            )
        if of.requests > caps.requests:
            yield (
                f"{of.provider}: about {of.requests:,} requests would be sent, and the most is "
                f"{caps.requests:,}: take fewer turns"
            )
        if of.orders and of.per_s > caps.per_s:
            yield (
                f"{of.provider}: {of.per_s:.3g} requests/s, and no payment provider's test system "
                f"is asked more than {caps.per_s:g} times a second (load tests are for mocks): "
                f"take --rate {_rounded_down(caps.per_s / of.per_s_at_1):g} or less"
            )
    usd = sum(of.usd for of in everything)
    if usd > caps.spend_usd:
        yield (
            f"tokens would cost about {usd:.2f} USD, and the most is {caps.spend_usd:g}: take "
            "fewer turns or a cheaper model, or allow more with --most-spend-usd"
        )


def usd_of(role: Role, profile: ModelProfile) -> float:
    """For one call, about; 0 where nobody told its price."""
    if profile.price is None:
        return 0.0
    thought = profile.reasoning.tokens_p50 if profile.reasoning else 0.0
    price = profile.price
    prompt, completion = PROMPT_TOKENS[role], COMPLETION_TOKENS[role] + thought
    return (prompt * price.input_usd + completion * price.output_usd) / MILLION


def _models(played: Played, real: set[str]) -> Iterator[Expected]:
    speaking = played.speaking
    profiles = {role: speaking.models[name] for role, name in speaking.roles.items()}
    by_provider: dict[str, list[Role]] = {}
    for role, profile in profiles.items():
        by_provider.setdefault(speaking.asked_at(profile), []).append(role)
    for provider, roles in by_provider.items():
        if provider in real:
            yield _expected(
                played,
                provider,
                len(roles),
                usd=played.turns * sum(usd_of(role, profiles[role]) for role in roles),
            )


def _payments(played: Played, real: set[str]) -> Iterator[Expected]:
    """A bill that several share is an order for each."""
    legs: int = getattr(played.scenario, "people_max", 1)
    for provider in dict.fromkeys(profile.provider for profile in played.pay.values()):
        if provider in real:
            paying = [v for v in played.variants if provider in _paid_by(v, played.pay)]
            share = len(paying) / len(played.variants)
            part = replace(played, turns=math.ceil(played.turns * share))
            calls = legs * (2 if provider in CLOSED else 1)
            yield _expected(part, provider, calls, orders=part.turns * legs, share=share)


def _paid_by(variant: Variant, pay: Mapping[str, PaymentProfile]) -> set[str]:
    return {pay[lane].provider for lane in variant.lanes if lane in pay}


def _expected(
    played: Played,
    provider: str,
    calls: int,
    *,
    orders: int = 0,
    usd: float = 0.0,
    share: float = 1.0,
) -> Expected:
    return Expected(
        provider=provider,
        requests_per_turn=calls,
        requests=played.turns * calls + orders * AFTER_CALLS,
        per_s=played.rate * calls * share,
        per_s_at_1=calls * share,
        orders=orders,
        usd=usd,
    )


def _rounded_down(rate: float) -> float:
    """To three digits that matter."""
    step = 10.0 ** (math.floor(math.log10(rate)) - 2)
    return math.floor(rate / step * (1 + 1e-12)) * step
