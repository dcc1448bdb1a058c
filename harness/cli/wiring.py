"""Scenario, mocks and strategies made into arms: the one place where all rooms meet.

It decides nothing about time or order; the engine does.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

from harness.clock import Clock, ClockName
from harness.flow.agent import Agent, Cast, Scenario
from harness.flow.flow import Chat, Flow, World
from harness.flow.model import Models
from harness.flow.payers.wechat_ai import WechatAi
from harness.flow.strategy import Strategy
from harness.load.engine import Arm
from harness.providers.call import Endpoint
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from scenarios.http_probe import HttpProbe

REAL_THINK_SCALE = 0.02
"""On the real clock think times pass fifty times faster unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A run as the user asked for it, checked. Worker processes get it as it is."""

    scenario: Scenario
    strategies: tuple[Strategy, ...]
    clock: ClockName
    seed: int
    rounds: int
    turns: int
    """For each strategy, over all rounds."""
    rate: float
    think_scale: float
    intent: str
    confirm: str
    mocks: MockConfig
    mocks_port: int = 0
    """On the real clock; 0 is any free one."""

    def turns_in(self, round_: int) -> int:
        """Spread evenly; the first rounds take the rest."""
        each, rest = divmod(self.turns, self.rounds)
        return each + (round_ < rest)


def in_process_arms(setup: Setup, round_: int, clock: Clock) -> list[Arm]:
    """An arm for each strategy, each with mocks of its own: parallel worlds, equal but for it."""
    return [
        _arm(
            setup,
            strategy,
            round_,
            clock,
            httpx.MockTransport(Host(clock, setup.mocks)),
            endpoints(IN_PROCESS_URL),
        )
        for strategy in setup.strategies
    ]


def socket_arms(
    setup: Setup,
    round_: int,
    clock: Clock,
    transports: Sequence[httpx.AsyncBaseTransport],
    base_url: str,
) -> list[Arm]:
    """An arm for each strategy, each with a connection pool of its own to the same mocks."""
    return [
        _arm(setup, strategy, round_, clock, transport, endpoints(base_url))
        for strategy, transport in zip(setup.strategies, transports, strict=True)
    ]


def probe_arm(
    probe: HttpProbe, seed: int, clock: Clock, transport: httpx.AsyncBaseTransport
) -> Arm:
    """One arm that only probes: no agent, no mocks, and no header of ours on the wire."""

    async def nothing(flow: Flow) -> None:
        pass

    return Arm("baseline", World(clock, transport, seed, 0, False), nothing, probe.run)


def _arm(
    setup: Setup,
    strategy: Strategy,
    round_: int,
    clock: Clock,
    transport: httpx.AsyncBaseTransport,
    at: dict[str, Endpoint],
) -> Arm:
    world = World(clock, transport, setup.seed, round_, True, setup.think_scale)
    cast = Cast(Models(at["openai"], setup.intent, setup.confirm), WechatAi(at["wechat-ai"]))
    return Arm(strategy.name, world, _boot(cast), _converse(setup.scenario, cast, strategy))


def _boot(cast: Cast) -> Callable[[Flow], Awaitable[None]]:
    return cast.payer.start


def _converse(
    scenario: Scenario, cast: Cast, strategy: Strategy
) -> Callable[[Chat], Awaitable[None]]:
    async def converse(chat: Chat) -> None:
        await scenario.run(chat, Agent(cast, strategy, chat.user, scenario.usual_method))

    return converse
