"""Plays one function against mocks whose every delay is known; it asserts nothing.

A model takes half a second to its first token and a hundredth for each token; a payment a second.
"""

from collections.abc import Mapping

import httpx
import msgspec

from harness import clock as clocks
from harness.cli.own_flow import OwnFlow, function_arm, rerouted
from harness.cli.wiring import Way
from harness.clock import Clock, VirtualClock
from harness.flow.inbox import Inbox
from harness.flow.strategy import Strategy
from harness.in_process import InProcess
from harness.load.engine import Tally, round_schedule, run_round
from mocks.figures import Limits
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.profile import ModelProfile, PaymentProfile, load

FIRST_S, A_TOKEN_S, PAYMENT_S = 0.5, 0.01, 1.0
MODELS = ("gpt-4o", "claude-haiku-4-5", "gemini-2-5-flash")
LITTLE = msgspec.structs.replace(Limits.none(), requests=1, window_s=4.0)


def mocks(limits: Limits | None = None) -> MockConfig:
    return MockConfig(
        seed=1, pay={"stripe": _payment()}, models={name: _model(name, limits) for name in MODELS}
    )


def _model(name: str, limits: Limits | None) -> ModelProfile:
    shipped = load(name, ModelProfile)
    latency = msgspec.structs.replace(
        shipped.latency,
        ttft_p50_ms=FIRST_S * 1e3,
        ttft_p99_ms=FIRST_S * 1e3,
        tokens_per_s=1 / A_TOKEN_S,
    )
    return msgspec.structs.replace(shipped, latency=latency, structure=None, limits=limits)


def _payment() -> PaymentProfile:
    shipped = load("stripe", PaymentProfile)
    took = msgspec.structs.replace(shipped.overhead, p50_ms=PAYMENT_S * 1e3, p99_ms=PAYMENT_S * 1e3)
    return msgspec.structs.replace(shipped, overhead=took)


def way_in_process(config: MockConfig, clock: Clock) -> Way:
    inbox = Inbox("http://app")
    host = Host(clock, config, deliver=inbox)
    return Way(InProcess(host.decide, clock), endpoints(IN_PROCESS_URL, config), inbox)


async def play_round(
    function: OwnFlow,
    way: Way,
    clock: Clock,
    tally: Tally,
    *,
    turns: int = 1,
    round_: int = 0,
    others: Mapping[str, httpx.AsyncBaseTransport] = {},
) -> None:
    arm = function_arm(
        "own", function, Strategy(), way, seed=1, round_=round_, clock=clock, others=others
    )
    due = round_schedule(1, round_, [arm], turns=turns, turns_each=1, rate=10.0)
    await run_round(clock, [arm], due, tally)


def play_own(function: OwnFlow, config: MockConfig | None = None, *, turns: int = 1) -> Tally:
    """On the virtual clock."""
    tally, clock = Tally(), VirtualClock()

    async def main() -> None:
        way = way_in_process(config or mocks(), clock)
        await play_round(function, way, clock, tally, turns=turns)

    with rerouted():
        clocks.run("virtual", main())
    return tally
