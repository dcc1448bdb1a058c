"""Who plays in a run: the profiles of every role, and the client of every provider; it runs none.

A payment choice is one profile, or several joined by "+": then a scenario that knows lanes sends
its payments to the first or the second, and any other to the last.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.flow.inbox import Inbox
from harness.flow.model import Models, Role, Voice
from harness.flow.payers import Payer
from harness.flow.payers.alipay_ai import AlipayAi
from harness.flow.payers.alipay_orders import AlipayOrdersV2, AlipayOrdersV3
from harness.flow.payers.flat import Flat
from harness.flow.payers.stripe import Stripe
from harness.flow.payers.unionpay import Unionpay
from harness.flow.payers.unionpay_ai import UnionpayAi
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.payers.wechatpay import Wechatpay
from harness.flow.strategy import Strategy
from harness.providers import GATEWAYS, MODELS
from harness.providers.call import Endpoint
from mocks.profile import GatewayProfile, ModelProfile, PaymentProfile

MakePayer = Callable[[Endpoint, Inbox, PaymentProfile], Payer]

PAYERS: dict[str, MakePayer] = {
    "wechat-ai": lambda at, inbox, profile: WechatAi(at),
    "flat": lambda at, inbox, profile: Flat(at),
    "stripe": lambda at, inbox, profile: Stripe(at),
    "unionpay-ai": lambda at, inbox, profile: UnionpayAi(at),
    "alipay-ai": lambda at, inbox, profile: AlipayAi(at, inbox, _approval_s(profile)),
    "wechatpay": lambda at, inbox, profile: Wechatpay(at),
    "alipay-v3": lambda at, inbox, profile: AlipayOrdersV3(at),
    "unionpay": lambda at, inbox, profile: Unionpay(at),
}
"""The client of each provider. The keys are those of the wires and of the mocks."""

ORDER_ONLY = frozenset({"wechatpay", "alipay-v3", "unionpay"})
"""Of these only orders are made and closed: nobody pays, so they stand beside no payment unless
the user names them."""

REAL_PAYERS: dict[str, Callable[[Endpoint], Payer]] = {
    "stripe": Stripe,
    "alipay-ai": AlipayOrdersV2,
    "alipay-v3": AlipayOrdersV3,
    "wechatpay": Wechatpay,
    "unionpay": Unionpay,
}
"""The client of each provider that has test systems, or orders that nobody pays."""

ROLES: tuple[Role, ...] = ("intent", "confirm")
"""What every scenario needs that names no others."""

DEFAULTS: Mapping[Role, str] = {
    "intent": "gpt-4o",
    "confirm": "gpt-4o",
    "reason": "claude-3-5-sonnet",
    "score": "mistral-small",
}
PAY = "wechat-ai"


@dataclass(frozen=True, slots=True)
class Usual:
    """What a scenario is about, where the user names nothing else."""

    pay: str = PAY
    gateway: str = ""
    fallback: str = ""


USUAL: Mapping[str, Usual] = {
    "routed": Usual(pay="flat+wechat-ai"),
    "failover": Usual(gateway="litellm", fallback="claude-3-5-haiku"),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm of a run: a strategy, and the payment profiles that it pays by, a lane each."""

    name: str
    strategy: Strategy
    lanes: tuple[str, ...]
    factors: Mapping[str, bool | str] = field(default_factory=dict)
    """The keywords of a function of the user's own that are varied, each with its value here."""

    @property
    def pay(self) -> str:
        return "+".join(self.lanes)

    @property
    def prewarm(self) -> bool:
        return self.strategy.prewarm

    @property
    def token_cache(self) -> bool:
        return self.strategy.token_cache

    @property
    def parallel_confirm(self) -> bool:
        return self.strategy.parallel_confirm


def by_strategy(strategies: Sequence[Strategy], pay: str) -> tuple[Variant, ...]:
    return tuple(Variant(of.name, of, lanes_of(pay)) for of in strategies)


def by_provider(pays: Sequence[str], strategy: Strategy) -> tuple[Variant, ...]:
    return tuple(Variant("+".join(lanes_of(pay)), strategy, lanes_of(pay)) for pay in pays)


def lanes_of(pay: str) -> tuple[str, ...]:
    """The names of the lanes' profiles; that of a file is its name without folder and ending."""
    return tuple(lane_name(part) for part in pay.split("+"))


def lane_name(profile: str) -> str:
    return Path(profile).stem if profile.endswith(".toml") else profile


def _approval_s(profile: PaymentProfile) -> Callable[[float], float]:
    assert profile.approval, "a profile that is loaded has what its provider needs"
    return profile.approval.quantile_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaking:
    """Which model profile plays which role, and through which gateway they are asked."""

    roles: Mapping[Role, str]
    models: Mapping[str, ModelProfile]
    gateway: GatewayProfile | None = None
    fallback: str = ""
    """The model that the gateway turns to when one is down; "" for none."""
    cny_per_usd: float = 1.0

    def asked_at(self, profile: ModelProfile) -> str:
        """The provider whose wire that model is asked on."""
        return self.gateway.provider if self.gateway else profile.provider

    def models_at(self, at: Mapping[str, Endpoint], real: Collection[str] = ()) -> Models:
        """A model that is asked in reality goes by its id there, and not by its profile's name."""
        voices = {role: self._voice(name, at, real) for role, name in self.roles.items()}
        return Models(
            voices["intent"], voices["confirm"], voices.get("reason"), voices.get("score")
        )

    def _voice(self, name: str, at: Mapping[str, Endpoint], real: Collection[str]) -> Voice:
        profile = self.models[name]
        provider = self.asked_at(profile)
        price = profile.price
        if provider in real:
            name = profile.model or name
        # Dollars for a million tokens are millionths of a dollar for one.
        return Voice(
            MODELS[provider],
            at[provider],
            GATEWAYS[provider].name_of(profile.provider, name) if self.gateway else name,
            price.input_usd * self.cny_per_usd if price else 0.0,
            price.output_usd * self.cny_per_usd if price else 0.0,
        )
