"""Scenario, mocks and strategies made into arms: the one place where all rooms meet.

It decides nothing about time or order; the engine does.
"""

import importlib.util
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

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
from scenarios import SCENARIOS
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


def find_scenario(name: str) -> type[Scenario]:
    """The shipped scenario of that name, or the only one in that .py file.

    Raises LookupError with one line that says what to give instead.
    """
    if name in SCENARIOS:
        return SCENARIOS[name]
    path = Path(name)
    if path.suffix != ".py" or not path.is_file():
        known = ", ".join(SCENARIOS)
        raise LookupError(f"unknown scenario {name!r}: take {known}, or a path to a .py file")
    return _scenario_in(path)


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


def _scenario_in(path: Path) -> type[Scenario]:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise LookupError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from None
    found = [
        thing
        for thing in vars(module).values()
        if _is_scenario(thing) and thing.__module__ == path.stem
    ]
    if len(found) != 1:
        raise LookupError(
            f"{path} defines {len(found)} scenarios: it needs one dataclass with turns, "
            "usual_method and async run(chat, agent)"
        )
    return found[0]


def _is_scenario(thing: object) -> TypeGuard[type[Scenario]]:
    return (
        inspect.isclass(thing) and hasattr(thing, "__dataclass_fields__") and hasattr(thing, "run")
    )
