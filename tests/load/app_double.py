"""An app to measure as black box on the virtual clock, and what is seen of it; it tests nothing."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import httpx

from harness.answer import Decide
from harness.cli.app_box import black_box_arm, run_number
from harness.clock import ClockName, VirtualClock, run
from harness.flow.flow import World
from harness.in_process import InProcess
from harness.load.app_spans import AppSpans
from harness.load.engine import Due, Tally, run_round
from harness.providers import app_chat
from harness.providers.call import Endpoint
from harness.providers.chat import Ask, Message
from harness.providers.openai import OPENAI
from harness.providers.told import DRAW_HEADER
from harness.providers.trace import TRACEPARENT
from harness.record import Rows, SpanRow, columns_of
from mocks.admin import Admin
from mocks.host import IN_PROCESS_URL, endpoints
from mocks.worlds import Worlds
from scenarios.app_chat import App, AppChat
from tests.stats.by_hand import stage_ms
from tests.worlds import Weather

RUN = run_number("20261127-152102-app")
MOCKS = Weather(intent=0.5, confirm=0.7).mocks()
READ, TELL = "reader", "teller"
"""Models that take half a second and 0.7."""

COMPLETIONS = "openai/completions"

Door = Callable[[VirtualClock], httpx.AsyncBaseTransport]

Work = Callable[["AppDouble", str], Awaitable[None]]
"""What the app does for a message; it gets the traceparent to send on."""


@dataclass
class AppDouble(httpx.AsyncBaseTransport):
    """An app that does its work and then answers, whatever it was told."""

    clock: VirtualClock
    work: Work
    mocks: InProcess
    traces: list[str] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.traces.append(request.headers.get(TRACEPARENT, ""))
        await self.work(self, self.traces[-1])
        said = app_chat.decode_message(request.content)
        told = [*app_chat.encode_pieces(f"Done: {said.message}"), app_chat.encode_end("paid")]
        headers = {"content-type": app_chat.STREAM}
        return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"".join(told)))

    async def ask(self, model: str, traceparent: str, draw: str = "") -> None:
        at = endpoints(IN_PROCESS_URL, MOCKS)["openai"]
        call = OPENAI.chat(at, Ask(model=model, messages=[Message("user", "Hello?")]))
        call.request.headers[TRACEPARENT] = traceparent
        if draw:
            call.request.headers[DRAW_HEADER] = draw
        await self.mocks.exchange(self.clock, call.request, 30.0)

    async def think(self, seconds: float) -> None:
        await self.clock.sleep_until(self.clock.now() + seconds)


class Ahead:
    """A clock that is ahead of the virtual one, as another machine's may be."""

    name: ClockName = "virtual"

    def __init__(self, seconds: float) -> None:
        self._clock, self._seconds = VirtualClock(), seconds

    def now(self) -> float:
        return self._clock.now() + self._seconds

    def unix_s(self) -> float:
        return self._clock.unix_s() + self._seconds

    async def sleep_until(self, when: float) -> None:
        await self._clock.sleep_until(when - self._seconds)


@dataclass
class Ran:
    """A run of one engine, and what it left."""

    rows: Rows
    tally: Tally
    spans: AppSpans
    warned: list[str]
    traces: list[str]

    def stages(self, conversation: int = 0) -> list[SpanRow]:
        return [span for span in self.rows.spans if span.conversation == conversation]


def played(
    work: Work, *, dues: Iterable[float] = (0.25,), turns: int = 1, door: Door | None = None
) -> Ran:
    """Users who come at these times. `door` makes what the run's own askings meet; where that is a
    server in process the app meets it too."""

    async def main() -> Ran:
        clock, tally, warned = VirtualClock(), Tally(), list[str]()
        mocks = InProcess(mocks_at(clock), clock)
        aside = door(clock) if door else mocks
        double = AppDouble(clock, work, aside if isinstance(aside, InProcess) else mocks)
        spans = AppSpans(clock, aside, IN_PROCESS_URL, RUN, warned.append)
        world = World(clock, double, 1, 0, mocked=False)
        arm = black_box_arm(
            AppChat(turns=turns), App(Endpoint("http://app", ""), RUN), world, spans
        )
        schedule = [Due(due, n, arm, f"u{n}", turns) for n, due in enumerate(dues)]
        async with spans.asking():
            await run_round(clock, [arm], schedule, tally)
        return Ran(tally.rows, tally, spans, warned, double.traces)

    return run("virtual", main())


def mocks_at(clock: VirtualClock) -> Decide:
    return Admin(clock, Worlds(clock, MOCKS), MOCKS.seed, clock.now()).decide


async def in_series(app: AppDouble, trace: str) -> None:
    await app.think(0.03)
    await app.ask(READ, trace)
    await app.think(0.02)
    await app.ask(TELL, trace)
    await app.think(0.01)


def parts_of(seen: Ran) -> dict[str, float]:
    return stage_ms(columns_of(seen.rows))["app"]
