"""What a gate's Ask means: the flow, found, and its setup, checked; it plays nothing.

The gate and its sides read one Ask by this file, each with its own tollbench.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from harness.cli.casting import ROLES, Speaking, Variant
from harness.cli.exits import BadInput
from harness.cli.gate_lines import Ask, Down, Loaded
from harness.cli.problems import Problems
from harness.cli.served import chosen
from harness.cli.setup import LEAST_RATE, MOST_RATE, Options, checked
from harness.cli.wiring import Setup, Way, socket_arms
from harness.flow.model import Outage, Role
from harness.load.engine import Arm

if TYPE_CHECKING:
    from harness.clock import Clock
    from harness.flow.agent import Agent
    from harness.flow.flow import Chat


@dataclass(frozen=True, slots=True)
class ToldScenario:
    """What a side told of its scenario, in the place of it: it cannot be played."""

    turns: int = 1
    usual_method: str = ""
    roles: tuple[Role, ...] = ROLES
    outages: tuple[Outage, ...] = ()

    @staticmethod
    def of(told: Loaded) -> ToldScenario:
        outages = [Outage(down.role, down.from_s, down.for_s) for down in told.outages]
        return ToldScenario(told.turns_each, told.usual_method, tuple(told.roles), tuple(outages))

    async def run(self, chat: Chat, agent: Agent) -> None:
        raise NotImplementedError("the sides play, the gate does not")


@dataclass(frozen=True, slots=True)
class FoundFlow:
    """A flow that this process can play."""

    setup: Setup
    arm: Callable[[int, Clock, Way], Arm]
    """For a round, on the way to the mocks."""
    playing: Callable[[], AbstractContextManager[object]]
    """Must last while it is played."""


def is_function(flow: str) -> bool:
    """Whether the flow is named as an async function in a file, and not as a scenario."""
    return "::" in flow


def find(ask: Ask) -> FoundFlow:
    """BadInput with all that is wrong."""
    if is_function(ask.flow):
        return _find_function(ask)
    setup = setup_of(ask)
    return FoundFlow(
        setup,
        lambda round_, clock, way: socket_arms(setup, round_, clock, [way])[0],
        contextlib.nullcontext,
    )


def setup_of(
    ask: Ask, given: ToldScenario | None = None, problems: Problems | None = None
) -> Setup:
    """The setup of its flow, or of a scenario of which no more is known than is `given`. BadInput
    with all that is wrong, what was found before included."""
    problems = problems or Problems()
    if is_function(ask.flow):
        return _function_setup(ask, problems)
    strategy = problems.strategy("--strategy", ask.strategy)
    options = Options(
        scenario=ask.flow,
        parameters=[] if given else ask.parameters,
        clock="real",
        seed=ask.seed,
        rate=ask.rate,
        think_scale=ask.think_scale,
        pay=ask.pay,
        models=ask.models,
        gateway=ask.gateway,
        fallback=ask.fallback,
        capacity=ask.capacity,
    )
    turns = ask.turns * ask.rounds
    return checked(options, problems, [strategy], rounds=ask.rounds, turns=turns, given=given)


def told_of(found: FoundFlow, ask: Ask, *, own_code: bool) -> Loaded:
    """What the gate is to know of it."""
    from harness.cli.outcome import LIBRARIES, parameters_of

    scenario = found.setup.scenario
    outages: tuple[Outage, ...] = getattr(scenario, "outages", ())
    return Loaded(
        tool_version=metadata.version("tollbench"),
        python=platform.python_version(),
        versions={library: metadata.version(library) for library in LIBRARIES},
        is_function=is_function(ask.flow),
        turns_each=scenario.turns,
        usual_method=scenario.usual_method,
        roles=list(getattr(scenario, "roles", ROLES)),
        outages=[Down(of.role, of.from_s, of.for_s) for of in outages],
        parameters={} if is_function(ask.flow) else parameters_of(scenario),
        own_code=own_code,
    )


def _find_function(ask: Ask) -> FoundFlow:
    from harness.cli.own_flow import find_function, function_arm, rerouted

    setup = setup_of(ask)
    try:
        function = find_function(ask.flow)
    except LookupError as error:
        raise BadInput([str(error)]) from None
    (variant,) = setup.variants

    def arm(round_: int, clock: Clock, way: Way) -> Arm:
        return function_arm(
            variant.name,
            function,
            variant.strategy,
            way,
            seed=setup.seed,
            round_=round_,
            clock=clock,
            think_scale=setup.think_scale,
        )

    return FoundFlow(setup, arm, rerouted)


def _function_setup(ask: Ask, problems: Problems) -> Setup:
    """A function may ask any provider: all are served, each by its usual profile or a named one."""
    strategy = problems.strategy("--strategy", ask.strategy)
    if ask.parameters:
        problems.add("--set is for the parameters of a scenario; a function has none")
    if ask.fallback is not None:
        problems.add("--fallback is for scenarios; leave it out")
    scale = 1.0
    if ask.think_scale is not None:
        scale = problems.number("--think-scale", ask.think_scale, 0.0001, 1000)
    rate = problems.number("--rate", ask.rate, LEAST_RATE, MOST_RATE)
    named = [*(ask.pay.split("+") if ask.pay else []), *ask.models.values()]
    named += [ask.gateway] if ask.gateway else []
    served = chosen(problems, ask.seed, named, [ask.capacity] if ask.capacity else [])
    return Setup(
        scenario=ToldScenario(),
        variants=(Variant(strategy.name, strategy, ()),),
        clock="real",
        seed=served.mocks.seed,
        rounds=ask.rounds,
        turns=ask.turns * ask.rounds,
        rate=rate,
        think_scale=scale,
        speaking=Speaking(roles={}, models={}),
        mocks=served.mocks,
    )
