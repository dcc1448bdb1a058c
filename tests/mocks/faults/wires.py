"""What clients of every wire send, recorded once and sent again to mocks with faults; it asserts
nothing but that it went well without them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import httpx
import msgspec

from harness.cli.casting import PAYERS
from harness.clock import VirtualClock, run
from harness.faults import Faults, Placed, Script
from harness.flow.flow import Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payment
from harness.flow.wish import Wish
from harness.in_process import InProcess
from harness.providers import GATEWAYS, MODELS
from harness.providers.call import Call, Endpoint
from harness.providers.chat import Ask, Message
from harness.providers.told import DrawKey, name_draw
from harness.transport import Measured
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import GatewayProfile, ModelProfile, PaymentProfile, load, names

T = TypeVar("T")

LANES = names(PaymentProfile)
SAYS = [(provider, stream) for provider in sorted(MODELS) for stream in (False, True)]
PATIENCE_S = 90.0
"""Longer than any answer of a mock takes, also a late one."""

Decode = Callable[[int, httpx.Headers, bytes], object]


@dataclass(frozen=True, slots=True)
class Sent:
    """One call as a client made it, and when."""

    key: DrawKey
    at_s: float
    request: httpx.Request
    decode: Decode


@dataclass(frozen=True, slots=True)
class Story:
    """What was sent to one provider, up to the call that is struck, which is the last."""

    config: MockConfig
    lane: str
    sent: Sequence[Sent]

    @property
    def struck(self) -> DrawKey:
        return self.sent[-1].key


@dataclass(frozen=True, slots=True)
class Seen:
    """The last call as its client saw it, what the books had before and have after it, how often
    it was served, and the host."""

    took: Measured
    decode: Decode
    before: list[object]
    after: list[object]
    served: int
    host: Host

    def value(self) -> object:
        return self.decode(self.took.status, self.took.headers, self.took.body)


class _Recording(Flow):
    sent: list[Sent] = msgspec.field(default_factory=list)

    async def call(
        self, stage: str, call: Call[T], *, patience_s: float | None = None, whole: bool = False
    ) -> T:
        attempt = sum(of.key.stage == stage for of in self.sent) + 1
        key = DrawKey(0, self.conversation, self.turn, stage, attempt)
        self.sent.append(Sent(key, self.now(), call.request, call.decode))
        return await Flow.call(self, stage, call, patience_s=patience_s, whole=whole)


@cache
def payment(lane: str) -> Story:
    """All that paying takes at that provider, up to the first call that carries the payment."""
    profile = load(lane, PaymentProfile)
    config = MockConfig(seed=1, pay={lane: profile}, models={})

    async def main() -> Sequence[Sent]:
        clock, inbox = VirtualClock(), Inbox("http://app")
        host = Host(clock, config, deliver=inbox)
        world = World(clock, InProcess(host.decide, clock), 1, 0, True, inbox=inbox)
        payer = PAYERS[profile.provider](endpoints(IN_PROCESS_URL, config)[lane], inbox, profile)
        flow = _Recording(world, 0, 0, 0.0, 0.0)
        await payer.start(flow)
        session = await payer.open_session(flow, "ada", "balance")
        wish = Wish(4580, "CNY", "noodles", "balance")
        told = await payer.authorize(flow, session, Payment("o-1", "ada", wish))
        assert told != "stale" and told.outcome == payer.good_end
        await flow.cut()
        return flow.sent

    sent = run("virtual", main())
    stages = [of.key.stage for of in sent]
    return Story(config, lane, sent[: stages.index("pay") + 1])


@cache
def chat(provider: str, stream: bool) -> Story:
    """One question to a model of that provider; a gateway's own upstream is OpenAI's."""
    model = load("gpt-4o", ModelProfile)
    if provider not in GATEWAYS:
        model = msgspec.structs.replace(model, provider=provider)
    gateways = [load(name, GatewayProfile) for name in names(GatewayProfile)]
    config = MockConfig(
        seed=1, pay={}, models={"gpt-4o": model}, gateways={of.provider: of for of in gateways}
    )
    at: Endpoint = endpoints(IN_PROCESS_URL, config)[provider]
    said = [Message("system", "Be kind."), Message("user", "hello")]
    call = MODELS[provider].chat(at, Ask(model="gpt-4o", messages=said, stream=stream))
    key = DrawKey(0, 0, 0, "confirm", 1)
    name_draw(call.request, key)
    return Story(config, provider, [Sent(key, 0.0, call.request, call.decode)])


def placed(story: Story, fault: Any, lasts: int = 1) -> Script:
    """That fault at the last call of the story."""
    key = story.struck
    return Script([Placed(key.turn, key.stage, fault, key.attempt, lasts)])


def told(story: Story, faults: Faults | None, patience_s: float = PATIENCE_S) -> Seen:
    """What comes of the story where those faults are."""

    async def main() -> Seen:
        clock, inbox = VirtualClock(), Inbox("http://app")
        host = Host(clock, story.config, inbox, faults)
        way = InProcess(host.decide, clock)
        *before, last = story.sent
        for sent in before:
            await clock.sleep_until(sent.at_s)
            took = await way.exchange(clock, sent.request, patience_s)
            assert not took.fault
        await clock.sleep_until(last.at_s)
        books, served = _books(host), len(host.setting.journal)
        took = await way.exchange(clock, last.request, patience_s)
        after, now_served = _books(host), len(host.setting.journal)
        return Seen(took, last.decode, books, after, now_served - served, host)

    return run("virtual", main())


def _books(host: Host) -> list[object]:
    return [
        (entry.order_no, entry.state) for mock in host.payments.values() for entry in mock.ledger
    ]
