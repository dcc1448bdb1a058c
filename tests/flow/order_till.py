"""A client that only makes orders, at its mock and on the virtual clock; it asserts nothing."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import httpx
import msgspec

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Payer, Payment, Settlement, sessionless
from harness.flow.wish import Wish
from harness.providers.call import Call, Endpoint
from harness.providers.told import decode_draw
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import PaymentProfile, load

T = TypeVar("T")
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]
Trouble = Callable[[httpx.Request, Answer], Awaitable[httpx.Response]]

SESSION = sessionless("card")
WISH = Wish(4580, "CNY", "noodles", "card")
LUNCH = Payment("r1c2-0", "ada", WISH)


class Till:
    """Every call takes half a second. `trouble` is what happens to the calls of a stage."""

    def __init__(self, lane: str, make: Callable[[Endpoint], Payer]) -> None:
        self.clock = VirtualClock()
        shipped = load(lane, PaymentProfile)
        overhead = msgspec.structs.replace(shipped.overhead, p50_ms=500.0, p99_ms=500.0)
        profile = msgspec.structs.replace(shipped, overhead=overhead)
        self.host = Host(self.clock, MockConfig(seed=1, pay={lane: profile}, models={}))
        self.at = endpoints(IN_PROCESS_URL, self.host.config)[lane]
        self.payer = make(self.at)
        self.trouble: dict[str, Trouble] = {}
        self.calls: list[str] = []
        self.requests: list[httpx.Request] = []
        self.answers: list[bytes] = []
        self.ledger = self.host.payments[lane].ledger
        self.flow = self.turn()

    def turn(self) -> Flow:
        world = World(self.clock, httpx.MockTransport(self._call), 1, 0, True)
        return Flow(world, 0, 0, self.clock.now(), self.clock.now())

    async def order(self, payment: Payment = LUNCH) -> Settlement:
        settled = await self.payer.authorize(self.flow, SESSION, payment)
        assert isinstance(settled, Settlement)
        return settled

    async def query(self, payment: Payment = LUNCH) -> Settlement | None:
        return await self.payer.query(self.flow, SESSION, payment)

    async def void(self, payment: Payment = LUNCH) -> bool:
        return await self.payer.void(self.flow, SESSION, payment)

    async def past(self, call: Call[T]) -> T:
        """A call of somebody else's."""
        answer = await self.host(call.request)
        return call.decode(answer.status_code, answer.headers, await answer.aread())

    @property
    def states(self) -> list[str]:
        return [entry.state for entry in self.ledger]

    async def _call(self, request: httpx.Request) -> httpx.Response:
        key = decode_draw(request.headers)
        assert key is not None
        self.calls.append(key.stage)
        self.requests.append(request)
        trouble = self.trouble.get(key.stage)
        answer = await (trouble(request, self.host) if trouble else self.host(request))
        self.answers.append(await answer.aread())
        return answer


def visit(
    lane: str, make: Callable[[Endpoint], Payer], story: Callable[[Till], Coroutine[Any, Any, T]]
) -> T:
    async def main() -> T:
        return await story(Till(lane, make))

    return run("virtual", main())


async def answer_lost(request: httpx.Request, answer: Answer) -> httpx.Response:
    await answer(request)
    raise httpx.ReadError("connection reset")


async def never_arrives(request: httpx.Request, answer: Answer) -> httpx.Response:
    raise httpx.ConnectError("connection refused")
