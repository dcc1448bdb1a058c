"""The reference chat agent in process, on the virtual clock, and a client of it; it asserts
nothing."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
from starlette.applications import Starlette
from starlette.types import Message

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.strategy import Strategy
from harness.load.engine import BOOT
from harness.providers import app_chat
from harness.providers.trace import TRACEPARENT, Trace, encode_traceparent
from mocks.host import Host
from scenarios.agent_app import agent_app
from scenarios.agent_memory import Conversations
from tests.worlds import WISH, Door, Troubles, Weather, mock_cast

T = TypeVar("T")


@dataclass
class Got:
    """An answer as it came: each part of its body with the time at which it left."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    chunks: list[bytes] = field(default_factory=list)
    began: float = 0.0
    ended: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def told(self) -> app_chat.Told:
        return app_chat.decode_answer(self.status, self.headers, self.body)

    @property
    def code(self) -> str:
        """Of an error."""
        code: str = json.loads(self.body)["error"]["code"]
        return code

    @property
    def took_ms(self) -> float:
        return round((self.ended - self.began) * 1e3, 3)


@dataclass
class Shop:
    """The app, and the mocks behind it."""

    app: Starlette
    ended: Counter[str]
    door: Door
    clock: VirtualClock

    async def say(
        self,
        message: str = WISH.said(),
        user: str = "ann",
        *,
        trace: Trace | None = None,
        traceparent: str = "",
    ) -> Got:
        header = encode_traceparent(trace) if trace else traceparent
        headers = {TRACEPARENT: header} if header else {}
        return await self.ask(json.dumps({"user": user, "message": message}).encode(), headers)

    async def ask(
        self,
        body: bytes,
        headers: dict[str, str] | None = None,
        *,
        method: str = "POST",
        path: str = app_chat.PATH,
        events: Sequence[Message] = (),
        stalls: bool = False,
    ) -> Got:
        """`events` are what the server hears of the client, in place of one whole body. One that
        stalls sends nothing."""
        got = Got(began=self.clock.now())
        heard = list(events) or [{"type": "http.request", "body": body}]

        async def receive() -> Message:
            if stalls or not heard:
                await asyncio.sleep(3600)
            return heard.pop(0)

        async def send(event: Message) -> None:
            if event["type"] == "http.response.start":
                got.status, got.headers = event["status"], httpx.Headers(event["headers"])
            elif event["body"]:
                got.chunks.append(event["body"])
            got.ended = self.clock.now()

        raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": method, "path": path, "headers": raw}
        await self.app(scope, receive, send)
        return got

    def traces(self) -> list[str]:
        """The traceparent of each call to a mock, the boot's apart."""
        return [request.headers.get(TRACEPARENT, "") for request in self.requests]

    @property
    def requests(self) -> list[httpx.Request]:
        assert isinstance(self.door, _KeepingDoor)
        return self.door.requests[self.door.booted :]

    @property
    def books(self) -> list[tuple[str, str]]:
        ledger = self.door.host.payments["wechat-ai"].ledger
        return [(entry.order_no, entry.state) for entry in ledger]


@dataclass(slots=True)
class _KeepingDoor(Door):
    requests: list[httpx.Request] = field(default_factory=list)
    booted: int = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return await Door.__call__(self, request)


def visit(
    play: Callable[[Shop], Awaitable[T]],
    strategy: Strategy = Strategy(),  # noqa: B008  (it is frozen)
    *,
    troubles: Troubles | None = None,
    most_conversations: int = 10_000,
    salt: str = "s-",
) -> T:
    """On a virtual clock of its own."""
    clock = VirtualClock()

    async def main() -> T:
        door = _KeepingDoor(Host(clock, Weather().mocks()), troubles or {})
        world = World(clock, httpx.MockTransport(door), 1, 0, True)
        cast = mock_cast(door.host.config)
        boot = Flow(world, BOOT, 0, clock.now(), clock.now())
        for payer in cast.payers:
            await payer.start(boot)
        door.booted = len(door.requests)
        conversations = Conversations(world, cast, strategy, salt=salt, most=most_conversations)
        ended: Counter[str] = Counter()
        return await play(Shop(agent_app(conversations, ended), ended, door, clock))

    return run("virtual", main())
