"""A client's visit to the mocks, in process and on the virtual clock; it asserts nothing.

Times are whole microseconds, so a test can demand that two of them are equal.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import httpx
import msgspec

from harness.clock import VirtualClock, run
from harness.providers import wechat_ai
from harness.providers.call import Call
from harness.providers.told import DRAW_HEADER, DrawKey, Told, decode_told, encode_draw
from harness.transport import measure
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.ledger import Entry
from mocks.profile import ModelProfile, PaymentProfile, load, names

SEED = 7
PAY = load("wechat-ai", PaymentProfile)
MODELS = {name: load(name, ModelProfile) for name in names(ModelProfile)}
CONFIG = MockConfig(seed=SEED, pay={"wechat-ai": PAY}, models=MODELS)

AT = endpoints(IN_PROCESS_URL, CONFIG)
AT_PAY, AT_MODEL = AT["wechat-ai"], AT["openai"]

ADA, BOB = "wx-ada", "wx-bob"

ROTATION_S, OVERLAP_S = 30 * 86_400, 3600
KEY_ENDS_S = ROTATION_S + OVERLAP_S

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer with its times, from the start of its call, in microseconds."""

    status: int
    headers: httpx.Headers
    body: bytes
    first_byte_us: int
    first_token_us: int
    took_us: int
    told: Told | None

    @property
    def told_us(self) -> int:
        assert self.told is not None
        return round(self.told.injected_ms * 1e3)


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    value: T
    answer: Answer


class Visit:
    """One client and its mocks."""

    def __init__(self, config: MockConfig) -> None:
        self.clock = VirtualClock()
        self.host = Host(self.clock, config)
        self._transport = httpx.MockTransport(self.host)

    async def send(self, request: httpx.Request, draw: DrawKey | None = None) -> Answer:
        if draw is not None:
            request.headers[DRAW_HEADER] = encode_draw(draw)
        seen = await measure(self._transport, self.clock, request, 3600.0)
        assert not seen.fault, seen.fault
        # What a mock names otherwise is not found in process, where nobody changes it.
        names = [name for name, _ in seen.headers.raw]
        assert names == [name.lower() for name in names]
        return Answer(
            seen.status,
            seen.headers,
            seen.body,
            round((seen.first_byte - seen.start) * 1e6),
            round((seen.first_token - seen.start) * 1e6),
            round((seen.end - seen.start) * 1e6),
            decode_told(seen.headers),
        )

    async def ask(self, call: Call[T], draw: DrawKey | None = None) -> Answered[T]:
        answer = await self.send(call.request, draw)
        return Answered(call.decode(answer.status, answer.headers, answer.body), answer)

    async def token(self, user: str = ADA, method: str = "balance") -> str:
        told = (await self.ask(wechat_ai.open_session(AT_PAY, user, method))).value
        assert isinstance(told, wechat_ai.Session)
        return told.session_token

    async def key(self) -> wechat_ai.SealingKey:
        return (await self.ask(wechat_ai.fetch_key(AT_PAY))).value

    async def transaction(
        self, operation: wechat_ai.Operation, order: wechat_ai.Order
    ) -> Call[wechat_ai.Receipt | wechat_ai.Refusal]:
        """The order under a fresh session of its own user and method."""
        token = await self.token(order.openid, order.method)
        return wechat_ai.transact(AT_PAY, operation, token, await self.key(), order)

    async def transact(
        self, operation: wechat_ai.Operation, order: wechat_ai.Order
    ) -> wechat_ai.Receipt | wechat_ai.Refusal:
        return (await self.ask(await self.transaction(operation, order))).value

    def books(self) -> list[Entry]:
        """The ledger as it stands now; later changes do not reach it."""
        ledger = self.host.payments["wechat-ai"].ledger
        return [replace(entry, refunds=dict(entry.refunds)) for entry in ledger]


def visit(story: Callable[[Visit], Awaitable[T]], config: MockConfig = CONFIG) -> T:
    """Run the story on a virtual clock that starts at 0, against mocks of its own."""

    async def main() -> T:
        return await story(Visit(config))

    return run("virtual", main())


def with_share(share: float) -> MockConfig:
    """The mocks, with the session taking this share of the overhead."""
    assert PAY.session
    session = msgspec.structs.replace(PAY.session, share=share)
    pay = msgspec.structs.replace(PAY, session=session)
    return msgspec.structs.replace(CONFIG, pay={"wechat-ai": pay})
