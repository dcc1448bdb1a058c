"""All mocks behind one door: the same object answers in process, under respx and on a socket."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import httpx
import msgspec
from msgspec import UnsetType

from harness.answer import Answer, plain, play
from harness.clock import Clock
from harness.faults import Fault, Faults, Shares
from harness.providers import GATEWAYS, MODELS
from harness.providers.call import Endpoint
from harness.providers.told import read_draw
from mocks.alipay_ai import AlipayAi
from mocks.alipay_v3 import AlipayV3
from mocks.courier import Deliver
from mocks.credentials import CREDENTIALS
from mocks.faults.network import Network
from mocks.figures import Outage
from mocks.flat import Flat
from mocks.gateway import Gateway
from mocks.ledger import Ledger
from mocks.model import Model
from mocks.profile import GatewayProfile, ModelProfile, PaymentProfile, figures
from mocks.setting import Setting
from mocks.stripe import Stripe
from mocks.unionpay import Unionpay
from mocks.unionpay_ai import UnionpayAi
from mocks.wechat_ai import WechatAi
from mocks.wechatpay import Wechatpay


class Mock(Protocol):
    """A server: it decides each answer whole when its request, read to its end, arrives."""

    def decide(self, request: httpx.Request) -> Answer: ...


IN_PROCESS_URL = "http://mocks"
LOOPBACK = "127.0.0.1"
"""Where mocks listen: the same credentials for everyone are safe only here."""

OWN_PAGE = "_"
"""So begins, behind the mock's name, the path of what no provider has: the page on which a mock
tells its keys. On the way to it nothing goes wrong."""

KEY = "mock-api-key"
"""Opens nothing but a mock; it is checked so that a missing one is noticed."""


class PaymentMock(Mock, Protocol):
    """A payment provider's other side: a function of a request, and its books."""

    ledger: Ledger


class MakePayment(Protocol):
    def __call__(self, setting: Setting, profile: PaymentProfile, *, key: str) -> PaymentMock: ...


PAYMENTS: dict[str, MakePayment] = {
    "wechat-ai": WechatAi,
    "flat": Flat,
    "stripe": Stripe,
    "unionpay-ai": UnionpayAi,
    "alipay-ai": AlipayAi,
    "alipay-v3": AlipayV3,
    "unionpay": Unionpay,
    "wechatpay": Wechatpay,
}

KEYS: dict[str, str] = {"stripe": "sk_test_mock_api_key"}
"""Of the providers whose keys have a form that clients check; the others take KEY."""


class MockConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how the mocks behave; travels to a mock process as JSON."""

    seed: int
    pay: dict[str, PaymentProfile]
    """By the name that begins their paths, so that one provider can be there with two profiles."""
    models: dict[str, ModelProfile]
    """By the name that they are asked by, their profile's; each also goes by its id on the wire."""
    gateways: dict[str, GatewayProfile] = {}
    """By provider."""
    fallbacks: dict[str, str] = {}
    """For the name of a model, which one stands in for it behind every gateway."""
    outages: list[Outage] = []
    """When a provider of models answers nobody."""
    lifetime_scale: float = 1.0
    """Token lifetimes are multiplied by it, as think times are."""
    cny_per_usd: float = 1.0
    faults: dict[Fault, float] = {}
    """The share of calls that each fault strikes, of those that it can; a profile's own shares hold
    for its provider in place of these."""

    def struck_by(self, lanes: Collection[str] | None = None) -> Faults | None:
        """What goes wrong by these shares; None where nothing does. `lanes` are those that are paid
        by, else all. Where several profiles of one provider have shares of their own, the greatest
        hold: by its provider alone nobody can tell whose a call is."""
        pay = [of for lane, of in self.pay.items() if lanes is None or lane in lanes]
        own = _own_shares([*pay, *self.models.values()])
        return Shares(self.seed, self.faults, own) if self.faults or own else None


A_MODEL = "a model provider"
"""Whose key the one is that opens them all, where no payment provider has it too."""


class Host:
    """Answers a request for any mock; the first segment of the path names the provider."""

    def __init__(
        self,
        clock: Clock,
        config: MockConfig,
        deliver: Deliver | None = None,
        faults: Faults | None = None,
    ) -> None:
        """`faults` are in place of those that the configuration has shares of."""
        self.config = config
        self.setting = Setting(
            clock=clock,
            seed=config.seed,
            lifetime_scale=config.lifetime_scale,
            cny_per_usd=config.cny_per_usd,
            deliver=deliver,
            outages=config.outages,
            faults=faults or config.struck_by(),
        )
        self._faulty = self.setting.faults is not None
        self._at_lanes = {lane: self._at_lane(lane, faults) for lane in config.pay}
        self.payments = {
            lane: PAYMENTS[profile.provider](
                self._at_lanes[lane], profile, key=key_of(profile.provider)
            )
            for lane, profile in config.pay.items()
        }
        self.setting.trail.opens(A_MODEL, KEY)
        self._models: dict[str, Model] = {}
        self._mocks = {
            lane: _Placed(
                config.pay[lane].provider, key_of(config.pay[lane].provider), mock, mock.ledger
            )
            for lane, mock in self.payments.items()
        }
        self._networks: dict[str, Network] = {}
        """The way to each mock, where it is not always open."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer as a response, when its time has come."""
        return await play(self.setting.clock, self.decide(request))

    def decide(self, request: httpx.Request) -> Answer:
        name, _, rest = request.url.path[1:].partition("/")
        if name not in self._mocks and not self._made(name):
            known = list(dict.fromkeys([*self.payments, *_MODELS, *self.config.gateways]))
            return plain(self.setting.clock, 404, f"no mock {name!r}; there are {known}")
        if not self._faulty or rest.startswith(OWN_PAGE):
            return _arrived(self.setting, self._mocks[name], request)
        return self._network(name).carry(request)

    def _at_lane(self, lane: str, placed: Faults | None) -> Setting:
        """The same setting, with the faults that strike there."""
        if placed or not self._faulty:
            return self.setting
        return replace(self.setting, faults=self.config.struck_by([lane]))

    def _network(self, name: str) -> Network:
        network = self._networks.get(name)
        if network is None:
            setting = self._at_lanes.get(name, self.setting)
            decide = partial(_arrived, self.setting, self._mocks[name])
            network = self._networks[name] = Network(setting, self._mocks[name].provider, decide)
        return network

    def _made(self, name: str) -> bool:
        """Whether there is such a mock. Models and gateways are made when they are asked first:
        most worlds ask few of them."""
        if name in self.config.gateways:
            self._mocks[name] = _Placed(name, key_of(name), self._gateway(name))
        elif name in _MODELS:
            self._mocks[name] = _Placed(name, key_of(name), self._model(name))
        return name in self._mocks

    def _model(self, provider: str) -> Model:
        """The mock of that provider, with all its models; it is there even without any."""
        model = self._models.get(provider)
        if model is None:
            models = {
                name: of for name, of in self.config.models.items() if of.provider == provider
            }
            wire, key = MODELS[provider], key_of(provider)
            model = self._models[provider] = Model(self.setting, wire, models, key=key)
        return model

    def _gateway(self, provider: str) -> Gateway:
        return Gateway(
            self.setting,
            GATEWAYS[provider],
            self.config.gateways[provider],
            {of: self._model(of) for of in _MODELS},
            self.config.fallbacks,
            key=key_of(provider),
        )


@dataclass(frozen=True, slots=True)
class _Placed:
    """One mock: whose it is, what opens it, and its books, where money moves there."""

    provider: str
    key: str
    mock: Mock
    ledger: Ledger | None = None


def _arrived(setting: Setting, at: _Placed, request: httpx.Request) -> Answer:
    setting.trail.look(at.provider, at.key, request)
    if at.ledger is not None:
        at.ledger.hear(read_draw(request), setting.clock.now())
    return at.mock.decide(request)


_MODELS = tuple(provider for provider in MODELS if provider not in GATEWAYS)


def _own_shares(
    profiles: Iterable[PaymentProfile | ModelProfile],
) -> dict[str, dict[Fault, float]]:
    """By provider, the greatest that one of its profiles has of its own."""
    own: dict[str, dict[Fault, float]] = {}
    for profile in profiles:
        if not isinstance(profile.faults, UnsetType):
            so_far = own.setdefault(profile.provider, {})
            for fault, share in profile.faults.items():
                so_far[fault] = max(share, so_far.get(fault, 0.0))
    return own


def key_of(provider: str) -> str:
    return KEYS.get(provider, KEY)


def endpoints(base_url: str, config: MockConfig) -> dict[str, Endpoint]:
    """Where a client of this process finds each mock behind this door, and what opens it. A client
    of mocks in another process asks them for the keys that were made there."""
    payments = {
        name: _payment_endpoint(f"{base_url}/{name}", profile.provider)
        for name, profile in config.pay.items()
    }
    models = {
        provider: Endpoint(f"{base_url}/{provider}{wire.BASE_PATH}", key_of(provider))
        for provider, wire in MODELS.items()
    }
    return payments | models


def _payment_endpoint(url: str, provider: str) -> Endpoint:
    keyed = CREDENTIALS.get(provider)
    return keyed.here(url) if keyed else Endpoint(url, key_of(provider))


def provenance(config: MockConfig) -> dict[str, str]:
    """Whose figures these mocks replay, by provider and figure."""
    profiles: dict[str, PaymentProfile | GatewayProfile] = {**config.pay, **config.gateways}
    told: dict[str, str] = {
        f"{provider} {section}": of.provenance
        for provider, profile in profiles.items()
        for section, of in figures(profile)
    }
    return told | {name: profile.latency.provenance for name, profile in config.models.items()}
