"""A shop that pays by the Stripe mock, in process and on the virtual clock; it asserts nothing."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx
import msgspec

from harness.answer import play
from harness.clock import VirtualClock, run
from harness.providers import stripe as wire
from harness.providers.call import Call, Endpoint
from harness.providers.stripe import events
from mocks.figures import Limits
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load
from mocks.setting import Setting
from mocks.stripe import Stripe

KEY = "sk_test_shop"
AT = Endpoint("http://mocks/stripe", KEY)
PROFILE = load("stripe", PaymentProfile)
HOOK = "http://app/stripe"

T = TypeVar("T")
Json = dict[str, Any]  # What a test reads of an answer by name.

PAY = {
    "amount": 4580,
    "currency": "cny",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "payment_method_types[]": "card",
    "metadata[order_no]": "o-1",
    "metadata[payee]": "noodles",
}
HOLD = {**PAY, "capture_method": "manual"}
WAIT = {name: value for name, value in PAY.items() if name not in ("confirm", "payment_method")}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def json(self) -> Json:
        told = json.loads(self.body)
        assert isinstance(told, dict)
        return told

    @property
    def error(self) -> Json:
        told = self.json["error"]
        assert isinstance(told, dict)
        return told


class Shop:
    """One account, its books, and the notices that came to the app."""

    def __init__(self, profile: PaymentProfile, *, hears: bool) -> None:
        self.clock = VirtualClock()
        self.heard: list[tuple[float, httpx.Request]] = []
        self.answers: list[int] = []
        """How the app answers its next notices; 200 after that."""
        deliver = self._deliver if hears else None
        setting = Setting(clock=self.clock, seed=7, cny_per_usd=7.0, deliver=deliver)
        self.mock = Stripe(setting, profile, key=KEY)

    async def _deliver(self, notice: httpx.Request) -> httpx.Response:
        self.heard.append((self.clock.now(), notice))
        return httpx.Response(self.answers.pop(0) if self.answers else 200)

    async def send(self, request: httpx.Request) -> Answer:
        answer = await play(self.clock, self.mock.decide(request))
        return Answer(answer.status_code, answer.headers, await answer.aread())

    async def post(
        self, path: str, params: Mapping[str, object] | bytes = b"", key: str = "", **headers: str
    ) -> Answer:
        """A call by hand: the form by urllib, the key as Basic's user."""
        body = params if isinstance(params, bytes) else urlencode(params).encode()
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        if key:
            sent["idempotency-key"] = key
        return await self.send(_authorized("POST", path, sent, body))

    async def get(self, path: str, **params: object) -> Answer:
        named = {name.replace("__", "[]"): value for name, value in params.items()}
        query = f"?{urlencode(named)}" if named else ""
        return await self.send(_authorized("GET", path + query, {}, b""))

    async def delete(self, path: str) -> Answer:
        return await self.send(_authorized("DELETE", path, {}, b""))

    async def pay(self, **changed: object) -> Json:
        """A payment, with its fee."""
        params = {**PAY, "expand[]": wire.WITH_FEE[0], **changed}
        return (await self.post("/v1/payment_intents", params)).json

    async def ask(self, call: Call[T]) -> T:
        answer = await self.send(call.request)
        return call.decode(answer.status, answer.headers, answer.body)

    async def later(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)

    def books(self) -> list[Entry]:
        """The ledger as it stands now; later changes do not reach it."""
        return [replace(entry, refunds=dict(entry.refunds)) for entry in self.mock.ledger]

    def told(self, secret: str) -> list[events.Told]:
        """The notices that are to be believed."""
        read = [events.read_notice(notice, secret) for _, notice in self.heard]
        return [told for told in read if told is not None]


def visit(
    story: Callable[[Shop], Awaitable[T]],
    *,
    profile: PaymentProfile = PROFILE,
    hears: bool = False,
) -> T:
    """Run the story on a virtual clock that starts at 0, against a mock of its own."""

    async def main() -> T:
        return await story(Shop(profile, hears=hears))

    return run("virtual", main())


def limited(**limits: float) -> PaymentProfile:
    assert PROFILE.limits is not None
    changed = msgspec.structs.replace(PROFILE.limits, **limits)
    assert isinstance(changed, Limits)
    return msgspec.structs.replace(PROFILE, limits=changed)


def _authorized(method: str, path: str, headers: dict[str, str], body: bytes) -> httpx.Request:
    sent = httpx.BasicAuth(KEY, "")
    request = httpx.Request(method, f"http://mocks/stripe{path}", headers=headers, content=body)
    if "authorization" in request.headers:
        return request
    return next(sent.auth_flow(request))
