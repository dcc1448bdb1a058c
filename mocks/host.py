"""All mocks behind one door: the same object answers in process, under respx and on a socket."""

from collections.abc import Awaitable, Callable

import httpx
import msgspec

from harness.clock import Clock
from harness.providers import openai as openai_wire
from harness.providers import wechat_ai as wechat_ai_wire
from harness.providers.call import Endpoint
from mocks.openai import OpenAi
from mocks.profile import Figures, ModelProfile, PaymentProfile
from mocks.wechat_ai import WechatAi

Mock = Callable[[httpx.Request], Awaitable[httpx.Response]]

IN_PROCESS_URL = "http://mocks"
LOOPBACK = "127.0.0.1"
"""Where mocks listen: the same credentials for everyone are safe only here."""

# Mock credentials open nothing but a mock; they are checked so that a missing one is noticed.
APP_SECRET = "mock-app-secret"
API_KEY = "mock-api-key"


class MockConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how the mocks behave; travels to a mock process as JSON."""

    seed: int
    pay: PaymentProfile
    models: dict[str, ModelProfile]
    lifetime_scale: float = 1.0
    """Token lifetimes are multiplied by it, as think times are."""


class Host:
    """Answers a request for any mock; the first segment of the path names the provider."""

    def __init__(self, clock: Clock, config: MockConfig) -> None:
        self.wechat_ai = WechatAi(
            clock,
            config.seed,
            config.pay,
            app_secret=APP_SECRET,
            lifetime_scale=config.lifetime_scale,
        )
        self.openai = OpenAi(clock, config.seed, config.models, api_key=API_KEY)
        self._mocks: dict[str, Mock] = {
            wechat_ai_wire.NAME: self.wechat_ai,
            openai_wire.NAME: self.openai,
        }

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        provider = request.url.path.split("/", 2)[1]
        mock = self._mocks.get(provider)
        if mock is None:
            return httpx.Response(404, text=f"no mock {provider!r}; there are {list(self._mocks)}")
        return await mock(request)


def endpoints(base_url: str) -> dict[str, Endpoint]:
    """Where a client finds each mock behind this door, and the credentials that open it."""
    return {
        wechat_ai_wire.NAME: Endpoint(f"{base_url}/{wechat_ai_wire.NAME}", APP_SECRET),
        openai_wire.NAME: Endpoint(f"{base_url}/{openai_wire.NAME}/v1", API_KEY),
    }


def provenance(config: MockConfig) -> dict[str, str]:
    """Whose figures these mocks replay, by provider and figure."""
    pay = config.pay
    figures: dict[str, Figures] = {
        "overhead": pay.overhead,
        "session": pay.session,
        "key": pay.key,
        "fee": pay.fee,
    }
    told: dict[str, str] = {f"{pay.wire} {name}": of.provenance for name, of in figures.items()}
    return told | {name: profile.latency.provenance for name, profile in config.models.items()}
