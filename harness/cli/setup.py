"""Options made into a checked Setup; every mistake is gathered, none stops the checking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec import structs

from harness.cli.casting import (
    DEFAULTS,
    ROLES,
    USUAL,
    Speaking,
    Usual,
    Variant,
    by_provider,
    by_strategy,
    lane_name,
)
from harness.cli.estimate import Played
from harness.cli.problems import Problems
from harness.cli.scenario_file import find_scenario
from harness.cli.targets import Wanted, checked_targets
from harness.cli.wiring import REAL_THINK_SCALE, Setup
from harness.clock import ClockName
from harness.faults import ONLY_AT, Fault
from harness.flow.agent import Scenario
from harness.flow.flow import PATIENCE_S
from harness.flow.model import Outage, Role
from harness.flow.strategy import Strategy
from mocks import figures as mocks_figures
from mocks.figures import Limits
from mocks.host import MockConfig
from mocks.profile import ExchangeProfile, GatewayProfile, ModelProfile, PaymentProfile, load

MOST_SEED = 2**63 - 1
LEAST_RATE, MOST_RATE = 0.001, 100_000

ProfileT = TypeVar("ProfileT", PaymentProfile, ModelProfile, GatewayProfile)

MOST_CAPACITY = 1_000_000
RETRIES = 2
"""Where anything goes wrong on purpose, unless told otherwise."""
MOST_RETRIES = 20
LEAST_PATIENCE_S, MOST_PATIENCE_S = 0.001, 3600.0
DIRECTLY = "none"
"""In place of a gateway's name: the models are asked directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every verb that runs flows takes, as the user wrote it; None is what is usual."""

    scenario: str = "conversation"
    parameters: Sequence[str] = ()
    clock: str = "virtual"
    seed: str = "1"
    rate: str = "50"
    think_scale: str | None = None
    port: str | None = None
    pay: str | None = None
    models: Mapping[Role, str | None] = field(default_factory=dict)
    gateway: str | None = None
    fallback: str | None = None
    capacity: str | None = None
    faults: str | None = None
    retries: str | None = None
    patience: str | None = None
    wanted: Wanted = field(default_factory=Wanted)


def checked(
    options: Options,
    problems: Problems,
    strategies: Sequence[Strategy],
    *,
    pays: Sequence[str] = (),
    rounds: int = 1,
    turns: int = 0,
    given: Scenario | type[Scenario] | None = None,
    most_turns: Callable[[int], int] | None = None,
) -> Setup:
    """The setup, or BadInput with all that is wrong, what the caller found before included.

    Its variants are the strategies, or, where `pays` names payment choices, those under the only
    strategy. A scenario that is `given` is the one; the name of it in the options is then no more
    than a name. `most_turns` tells, of the turns of a conversation, how many may be played in
    all, where that is not `turns` a variant and one more to warm up.
    """
    written_clock = problems.clock(options.clock)
    clock: ClockName = "real" if options.wanted.real else written_clock
    seed = problems.whole("--seed", options.seed, 0, MOST_SEED)
    rate = problems.number("--rate", options.rate, LEAST_RATE, MOST_RATE)
    default_scale = 1.0 if clock == "virtual" else REAL_THINK_SCALE
    think_scale = (
        default_scale
        if options.think_scale is None
        else problems.number("--think-scale", options.think_scale, 0.0001, 1000)
    )
    port = problems.port("--port", options.port, clock)
    scenario = _scenario(options, given, problems)
    usual = USUAL.get(options.scenario, Usual())
    variants = _variants(options, usual, strategies, pays)
    pay = _payments(pays or [options.pay or usual.pay], problems)
    exchange = load("exchange", ExchangeProfile).rate.cny_per_usd
    speaking = _speaking(options, usual, scenario, exchange, problems)
    slots = (
        None
        if options.capacity is None
        else problems.whole("--capacity", options.capacity, 1, MOST_CAPACITY)
    )
    struck = _faults(options, pay, problems)
    retries, patience_s = _retries(options, problems), _patience_s(options, problems)
    in_all = (
        most_turns(max(1, scenario.turns))
        if most_turns and scenario
        else len(variants) * (turns + 1)
    )
    played = _played(scenario, speaking, pay, variants, in_all, rate)
    real = checked_targets(options.wanted, played, problems, written_clock=written_clock)
    problems.settle()
    assert scenario
    mocks = MockConfig(
        seed=seed,
        pay=pay,
        models=dict(speaking.models),
        gateways={speaking.gateway.provider: speaking.gateway} if speaking.gateway else {},
        fallbacks=_fallbacks(speaking),
        outages=_outages(scenario, speaking),
        lifetime_scale=think_scale,
        cny_per_usd=exchange,
        faults=struck,
    )
    if retries is None:
        retries = RETRIES if mocks.struck_by() is not None else 0
    return Setup(
        scenario=scenario,
        variants=variants,
        clock=clock,
        seed=seed,
        rounds=rounds,
        turns=turns,
        rate=rate,
        think_scale=think_scale,
        speaking=speaking,
        mocks=mocks if slots is None else with_slots(mocks, slots),
        mocks_port=port,
        real=real,
        retries=retries,
        patience_s=patience_s,
    )


def _faults(
    options: Options, pay: Mapping[str, PaymentProfile], problems: Problems
) -> dict[Fault, float]:
    """What goes wrong, by its share. Only mocks do so when asked to."""
    paid_by = {profile.provider for profile in pay.values()}

    def in_vain(fault: Fault) -> str:
        who = ONLY_AT.get(fault)
        if not who or not paid_by or paid_by & {*who}:
            return ""
        return f"strikes only at {' and '.join(who)}: take one of them with --pay, or leave it out"

    if options.wanted.real and options.faults is not None:
        problems.add("--faults is what mocks do: it is not for --targets real; leave it out")
    return problems.faults("--faults", options.faults, in_vain)


def _retries(options: Options, problems: Problems) -> int | None:
    """How often the agent sends a call again, where that is said."""
    if options.retries is None:
        return None
    return problems.whole("--retries", options.retries, 0, MOST_RETRIES)


def _patience_s(options: Options, problems: Problems) -> float:
    """How long the agent waits for a call."""
    if options.patience is None:
        return PATIENCE_S
    return problems.number("--patience", options.patience, LEAST_PATIENCE_S, MOST_PATIENCE_S)


def with_slots(mocks: MockConfig, slots: int) -> MockConfig:
    """The mocks with servers that take so many calls at once, each."""

    def limited(of: ProfileT) -> ProfileT:
        return structs.replace(of, limits=structs.replace(of.limits or Limits.none(), slots=slots))

    return structs.replace(
        mocks,
        pay={name: limited(of) for name, of in mocks.pay.items()},
        models={name: limited(of) for name, of in mocks.models.items()},
        gateways={name: limited(of) for name, of in mocks.gateways.items()},
    )


def _played(
    scenario: Scenario | None,
    speaking: Speaking,
    pay: Mapping[str, PaymentProfile],
    variants: Sequence[Variant],
    turns: int,
    rate: float,
) -> Played | None:
    """None where it is not known who plays."""
    if scenario is None or not pay or not set(speaking.roles.values()) <= set(speaking.models):
        return None
    return Played(
        scenario=scenario, speaking=speaking, pay=pay, variants=variants, turns=turns, rate=rate
    )


def _fallbacks(speaking: Speaking) -> dict[str, str]:
    """The same model stands in for every other."""
    stand_in = speaking.fallback
    return {name: stand_in for name in speaking.models if stand_in and name != stand_in}


def _outages(scenario: Scenario, speaking: Speaking) -> list[mocks_figures.Outage]:
    """Those that the story is about, if it is about any."""
    told: Sequence[Outage] = getattr(scenario, "outages", ())
    return [
        mocks_figures.Outage(speaking.models[speaking.roles[of.role]].provider, of.from_s, of.for_s)
        for of in told
    ]


def _scenario(
    options: Options, given: Scenario | type[Scenario] | None, problems: Problems
) -> Scenario | None:
    scenario: Scenario | None
    if given is not None and not isinstance(given, type):
        if options.parameters:
            problems.add("--set is for a scenario's name or class: set them in the object itself")
        scenario = given
    else:
        try:
            kind = find_scenario(options.scenario) if given is None else given
        except LookupError as error:
            problems.add(str(error))
            return None
        scenario = problems.parameters(kind, options.parameters)
    if scenario is not None and scenario.turns < 1:
        problems.add(f"{options.scenario}: turns must be at least 1, not {scenario.turns}")
    return scenario


def _variants(
    options: Options, usual: Usual, strategies: Sequence[Strategy], pays: Sequence[str]
) -> tuple[Variant, ...]:
    if pays:
        return by_provider(pays, strategies[0])
    return by_strategy(strategies, options.pay or usual.pay)


def _payments(choices: Sequence[str], problems: Problems) -> dict[str, PaymentProfile]:
    """The payment profiles of all choices, by the name of their lane."""
    names = dict.fromkeys(part for choice in choices for part in choice.split("+"))
    profiles = {name: problems.payment("--pay", name) for name in names}
    return {lane_name(name): profile for name, profile in profiles.items() if profile}


def _speaking(
    options: Options,
    usual: Usual,
    scenario: Scenario | None,
    cny_per_usd: float,
    problems: Problems,
) -> Speaking:
    """The models of the roles that the scenario has, and of those that the user named."""
    needed: Sequence[Role] = getattr(scenario, "roles", ROLES)
    named = {role: name for role, name in options.models.items() if name is not None}
    roles = {role: named.get(role) or DEFAULTS[role] for role in (*needed, *named)}
    models: dict[str, ModelProfile] = {}
    for role, name in roles.items():
        profile = problems.model(f"--{role}", name)
        if profile:
            models[lane_name(name)] = profile
    gateway_name = usual.gateway if options.gateway is None else options.gateway
    directly = gateway_name in ("", DIRECTLY)
    gateway = None if directly else problems.gateway("--gateway", gateway_name)
    fallback = options.fallback or ("" if directly else usual.fallback)
    if fallback and directly:
        problems.add("--fallback is what a gateway turns to: name one with --gateway")
    elif fallback and (profile := problems.model("--fallback", fallback)):
        models[lane_name(fallback)] = profile
    return Speaking(
        roles={role: lane_name(name) for role, name in roles.items()},
        models=models,
        gateway=gateway,
        fallback=lane_name(fallback),
        cny_per_usd=cny_per_usd,
    )
