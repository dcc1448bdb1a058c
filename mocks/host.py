"""All mocks behind one door: the same object answers in process, under respx and on a socket."""

from collections.abc import Mapping
from typing import Protocol

import httpx
import msgspec

from harness.answer import Answer, plain, play
from harness.clock import Clock
from harness.providers import GATEWAYS, MODELS
from harness.providers.call import Endpoint
from mocks.alipay_ai import AlipayAi
from mocks.alipay_v3 import AlipayV3
from mocks.courier import Deliver
from mocks.credentials import CREDENTIALS
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


class Host:
    """Answers a request for any mock; the first segment of the path names the provider."""

    def __init__(self, clock: Clock, config: MockConfig, deliver: Deliver | None = None) -> None:
        self.config = config
        self.setting = Setting(
            clock=clock,
            seed=config.seed,
            lifetime_scale=config.lifetime_scale,
            cny_per_usd=config.cny_per_usd,
            deliver=deliver,
            outages=config.outages,
        )
        self.payments = {
            name: PAYMENTS[profile.provider](self.setting, profile, key=key_of(profile.provider))
            for name, profile in config.pay.items()
        }
        models = self._models(config.models)
        self._mocks: dict[str, Mock] = {
            **self.payments,
            **models,
            **self._gateways(config, models),
        }

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """The answer as a response, when its time has come."""
        return await play(self.setting.clock, self.decide(request))

    def decide(self, request: httpx.Request) -> Answer:
        provider = request.url.path.split("/", 2)[1]
        mock = self._mocks.get(provider)
        if mock is None:
            known = list(self._mocks)
            return plain(self.setting.clock, 404, f"no mock {provider!r}; there are {known}")
        return mock.decide(request)

    def _models(self, models: Mapping[str, ModelProfile]) -> dict[str, Model]:
        """A mock for each provider, with all its models; it is there even without any."""
        return {
            provider: Model(
                self.setting,
                wire,
                {name: model for name, model in models.items() if model.provider == provider},
                key=key_of(provider),
            )
            for provider, wire in MODELS.items()
            if provider not in GATEWAYS
        }

    def _gateways(self, config: MockConfig, models: Mapping[str, Model]) -> dict[str, Gateway]:
        return {
            provider: Gateway(
                self.setting,
                GATEWAYS[provider],
                profile,
                models,
                config.fallbacks,
                key=key_of(provider),
            )
            for provider, profile in config.gateways.items()
        }


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
