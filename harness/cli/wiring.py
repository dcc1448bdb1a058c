"""Scenario, mocks and strategies made into arms: the one place where all rooms meet.

It decides nothing about time or order; the engine does.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from harness.books import Account, Beliefs
from harness.cli.casting import PAYERS, REAL_PAYERS, Speaking, Variant
from harness.cli.targets import Real
from harness.clock import Clock, ClockName
from harness.flow.agent import Agent, Cast, Scenario
from harness.flow.flow import PATIENCE_S, Chat, Flow, World
from harness.flow.inbox import Inbox
from harness.flow.payers import Payer
from harness.flow.payers.careful import Careful
from harness.flow.payers.prudent import Prudent
from harness.flow.retry import Retries
from harness.in_process import InProcess
from harness.load.engine import Arm, TellBooks
from harness.providers.call import Endpoint
from mocks.audit import accounts
from mocks.brain import claim_of
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.leaks import count_secrets
from scenarios.http_probe import HttpProbe

REAL_THINK_SCALE = 0.02
"""On the real clock think times pass fifty times faster unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A run as the user asked for it, checked. Worker processes get it as it is."""

    scenario: Scenario
    variants: tuple[Variant, ...]
    clock: ClockName
    seed: int
    rounds: int
    turns: int
    """For each variant, over all rounds."""
    rate: float
    think_scale: float
    speaking: Speaking
    mocks: MockConfig
    mocks_port: int = 0
    """On the real clock; 0 is any free one."""
    real: Real | None = None
    """Who is no mock; None where all are."""
    retries: int = 0
    """How often a call that failed is sent again, at most."""
    patience_s: float = PATIENCE_S
    """How long a call may take."""

    def turns_in(self, round_: int) -> int:
        """Spread evenly; the first rounds take the rest."""
        each, rest = divmod(self.turns, self.rounds)
        return each + (round_ < rest)


@dataclass(frozen=True, slots=True)
class Way:
    """One arm's way to the mocks, and its address for their notices."""

    transport: httpx.AsyncBaseTransport
    at: Mapping[str, Endpoint]
    inbox: Inbox
    books: TellBooks | None = None
    """Asks for the books of all that was done on this way; None where nobody tells them."""
    beliefs: Beliefs = field(default_factory=lambda: Beliefs(claim_of, secrets_in=count_secrets))
    """What the app on it holds of its payments, of all its rounds."""
    cut: set[str] = field(default_factory=set)
    """The intents of turns that were cut off."""


def in_process_arms(setup: Setup, round_: int, clock: Clock) -> list[Arm]:
    """An arm for each variant, each with mocks of its own: parallel worlds, equal but for it."""
    return [
        _arm(setup, variant, round_, clock, _in_process(setup, clock)) for variant in setup.variants
    ]


def socket_arms(setup: Setup, round_: int, clock: Clock, ways: Sequence[Way]) -> list[Arm]:
    """An arm for each variant, each with a connection pool of its own to mocks of its own."""
    return [
        _arm(setup, variant, round_, clock, way)
        for variant, way in zip(setup.variants, ways, strict=True)
    ]


def probe_arm(
    probe: HttpProbe, seed: int, clock: Clock, transport: httpx.AsyncBaseTransport
) -> Arm:
    """One arm that only probes: no agent, no mocks, and no header of ours on the wire."""

    async def nothing(flow: Flow) -> None:
        pass

    return Arm("baseline", World(clock, transport, seed, 0, False), nothing, probe.run)


def cast_of(setup: Setup, variant: Variant, way: Way) -> Cast:
    """Who plays in that variant: models and payers, on their way to the mocks, or to real ones."""
    payers = [_payer(setup, lane, way) for lane in variant.lanes]
    models = setup.speaking.models_at(way.at, setup.real.found if setup.real else ())
    return Cast(models, payers, variant.lanes)


def _payer(setup: Setup, lane: str, way: Way) -> Payer:
    profile, at = setup.mocks.pay[lane], way.at[lane]
    if setup.real is None or profile.provider not in setup.real.found:
        payer = PAYERS[profile.provider](at, way.inbox, profile)
        return Careful(payer, lane) if setup.retries else payer
    least_minor = setup.real.least_minor(profile.provider)
    return Prudent(REAL_PAYERS[profile.provider](at), setup.real.prefix, least_minor)


def _in_process(setup: Setup, clock: Clock) -> Way:
    inbox = Inbox("http://app")
    host = Host(clock, setup.mocks, deliver=inbox)
    at = endpoints(IN_PROCESS_URL, setup.mocks)
    return Way(InProcess(host.decide, clock), at, inbox, books_of(host))


def books_of(host: Host) -> TellBooks:
    """Asks mocks of this process for their books."""

    async def books() -> list[Account]:
        return accounts(host)

    return books


def _arm(setup: Setup, variant: Variant, round_: int, clock: Clock, way: Way) -> Arm:
    # Where some are real nobody has all the books.
    books = None if setup.real else way.books
    world = World(
        clock,
        way.transport,
        setup.seed,
        round_,
        True,
        setup.think_scale,
        inbox=way.inbox,
        tells_connections=setup.real is not None,
        patience_s=setup.patience_s,
        faults=None if setup.real else setup.mocks.struck_by(variant.lanes),
        retries=Retries(setup.retries) if setup.retries else None,
        beliefs=way.beliefs if books else None,
    )
    cast = cast_of(setup, variant, way)
    converse = _converse(setup.scenario, cast, variant)
    return Arm(variant.name, world, _boot(cast), converse, books=books, cut=way.cut)


def _boot(cast: Cast) -> Callable[[Flow], Awaitable[None]]:
    async def boot(flow: Flow) -> None:
        for payer in cast.payers:
            await payer.start(flow)

    return boot


def _converse(
    scenario: Scenario, cast: Cast, variant: Variant
) -> Callable[[Chat], Awaitable[None]]:
    async def converse(chat: Chat) -> None:
        agent = Agent(cast, variant.strategy, chat.user, scenario.usual_method)
        await scenario.run(chat, agent)

    return converse
