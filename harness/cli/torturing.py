"""One case played to its end on a virtual clock of its own, in a world of its own, and its books
looked through; it draws no case and prints nothing."""

import asyncio
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from harness import clock as clocks
from harness.answer import Answer
from harness.books import Beliefs
from harness.cli.bugs import innermost
from harness.cli.casting import DEFAULTS, PAYERS, ROLES, MakePayer, Speaking
from harness.cli.torture_refreshes import AtOnce, Refreshes
from harness.clock import VirtualClock
from harness.faults import Fault, Faults, Script
from harness.flow.agent import Agent, Cast
from harness.flow.flow import Chat, Flow, World
from harness.flow.inbox import Inbox
from harness.flow.model import Models, Role
from harness.flow.payers import Payer
from harness.flow.payers.careful import Careful
from harness.flow.retry import Retries
from harness.flow.strategy import Strategy
from harness.in_process import InProcess
from harness.load.engine import BOOT
from harness.providers.call import ProviderFault
from harness.providers.told import DrawKey
from harness.reconcile import RULES, reconcile
from harness.torture.cases import STRATEGIES, Case
from mocks.audit import accounts
from mocks.brain import claim_of
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.leaks import count_secrets
from mocks.profile import ExchangeProfile, ModelProfile, PaymentProfile, load
from scenarios import SCENARIOS

BUG = "bug"
"""In place of a rule: something failed that is no provider's fault."""

ONE_REFRESH = "one refresh"
"""A rule beside those of the books: what breaks it is waste, and no loss."""

LATER_S = 4 * 86_400.0
"""After the last turn: for so long late notices come, and what stayed unknown is asked for."""
FOR_EVER_S = 190 * 86_400.0
"""With the time in which the user is away. A few days later a virtual clock would stand still: its
seconds have not so many digits."""
MOST_CALLS = 3_000
"""More, or for longer, is a client that never ends."""

SPOKEN_BY: Sequence[Mapping[Role, str]] = (
    {},
    {"intent": "claude-haiku-4-5", "confirm": "gemini-2-5-flash"},
    {"intent": "gemini-2-5-flash", "confirm": "qwen-plus", "reason": "gpt-4o"},
    {"intent": "qwen-plus", "confirm": "claude-haiku-4-5", "score": "gpt-4o-mini"},
)
"""Models in place of the usual ones; which of these a world has, its seed says."""

PARAMETERS: Mapping[str, Mapping[str, object]] = {
    "conversation": {"switch_share": 0.3, "decline_share": 0.06},
    "checkout": {"decline_share": 0.06},
    "split_bill": {"people_max": 3, "broke_share": 0.15},
    "fraud_checked": {"suspect_share": 0.05},
}
"""Where a scenario is more telling than as it is shipped: more declines, and fewer people, who all
do the same."""


@dataclass(frozen=True, slots=True)
class Client:
    """The app that is played: what makes its parts. Those of a right one are the default."""

    payer: Callable[[MakePayer], MakePayer] = lambda make: make
    careful: Callable[[Payer, str], Payer] = Careful
    models: Callable[[Models], Models] = lambda models: models
    agent: Callable[[Cast, Strategy, str, str], Agent] = Agent


RIGHT = Client()


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold, or a bug. `intent` is "ROUND.CONVERSATION.TURN", "" for none."""

    rule: str
    why: str
    lane: str = ""
    order_no: str = ""
    intent: str = ""
    trace: str = ""
    """Where a bug is, for whoever mends it."""

    @property
    def kind(self) -> tuple[str, str]:
        """What two findings have in common that are the same: the rule, and of bugs what was
        raised."""
        return (self.rule, self.why.partition(":")[0] if self.rule == BUG else "")


@dataclass(slots=True)
class Played:
    """What came of one case."""

    case: Case
    flows: Sequence[Flow]
    shown: Mapping[int, list[str]]
    """Turn -> what the user was told of payments made in it, in order."""
    struck: Counter[tuple[Fault, str]]
    findings: list[Finding] = field(default_factory=list)


def play(case: Case, client: Client = RIGHT) -> Played:
    """Play it, let all end that is still under way, and hold what the app believes against the
    books. It raises nothing that the client does wrong: that is a finding."""

    async def main() -> Played:
        return await _Play(case, client).run()

    return clocks.run("virtual", main())


class _Play:
    """One conversation in a world of its own. It is made inside the loop."""

    def __init__(self, case: Case, client: Client) -> None:
        self._case = case
        self._client = client
        self._clock = VirtualClock()
        self._calls = 0
        self._bugs: list[Finding] = []
        self._refreshes = Refreshes()
        self._flows: Sequence[Flow] = ()
        scenario = SCENARIOS[case.scenario]
        parameters = PARAMETERS.get(case.scenario, {})
        self._scenario = scenario(**{"turns": case.turns, **parameters})
        self._speaking = _speaking(case.scenario, case.seed % len(SPOKEN_BY))
        inbox = Inbox("http://app")
        config = MockConfig(
            seed=case.seed,
            pay={lane: _payment(lane) for lane in case.lanes},
            models=dict(self._speaking.models),
            cny_per_usd=_cny_per_usd(),
        )
        faults = _InTurns(Script(case.faults)) if case.faults else None
        self._host = Host(self._clock, config, deliver=inbox, faults=faults)
        self._at = endpoints(IN_PROCESS_URL, config)
        self._beliefs = _Told()
        self._world = World(
            self._clock,
            InProcess(self._decide, self._clock),
            case.seed,
            0,
            True,
            inbox=inbox,
            faults=faults,
            retries=Retries(),
            beliefs=self._beliefs,
        )

    async def run(self) -> Played:
        asyncio.get_running_loop().set_exception_handler(self._overheard)
        limit = asyncio.timeout(FOR_EVER_S)
        try:
            async with limit:
                await self._converse()
                await self._clock.sleep_until(self._clock.now() + LATER_S)
        except Exception as error:
            self._bugs.append(_ENDLESS if limit.expired() else _bug(error))
            for flow in self._flows:
                await flow.cut()
        played = Played(self._case, self._flows, {}, self._struck(), self._bugs)
        try:
            played.shown = self._beliefs.texts()
            played.findings += self._look_through(played.shown)
        except Exception as error:
            played.findings.append(_bug(error))
        played.findings += map(_refreshed, self._refreshes.at_once())
        return played

    async def _converse(self) -> None:
        case, world = self._case, self._world
        cast = self._cast()
        boot = Flow(world, BOOT, 0, self._clock.now(), self._clock.now())
        for payer in cast.payers:
            await payer.start(boot)
        await boot.join()
        chat = _Chat(world, "r0a0c0", case, self._clock.now())
        self._flows = chat.flows
        strategy = STRATEGIES[case.strategy]
        agent = self._client.agent(cast, strategy, chat.user, self._scenario.usual_method)
        await self._scenario.run(chat, agent)
        for flow in chat.flows:
            await flow.join()

    def _cast(self) -> Cast:
        lanes, client = self._case.lanes, self._client
        payers: list[Payer] = []
        for lane in lanes:
            profile = self._host.config.pay[lane]
            assert self._world.inbox is not None
            make = client.payer(PAYERS[profile.provider])
            payer = client.careful(make(self._at[lane], self._world.inbox, profile), lane)
            payers.append(self._refreshes.watched(payer, lane))
        return Cast(client.models(self._speaking.models_at(self._at)), payers, lanes)

    def _decide(self, request: httpx.Request) -> Answer:
        self._calls += 1
        if self._calls > MOST_CALLS:
            raise RuntimeError(f"the client makes more than {MOST_CALLS:,} calls: it never ends")
        return self._host.decide(request)

    def _overheard(self, loop: object, context: dict[str, Any]) -> None:
        """What is raised where nobody awaits it."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, ProviderFault):
            self._bugs.append(_bug(error))

    def _struck(self) -> Counter[tuple[Fault, str]]:
        """What did strike. A storm is over a session: no turn without one had any."""
        struck = Counter(self._host.setting.strikes_by)
        struck.update(self._world.struck)
        if _STORM in struck:
            placed = {of.turn for of in self._case.faults if of.fault == "storms"}
            struck[_STORM] = sum(
                flow.turn in placed and any(of.stage in _OF_SESSIONS for of in flow.spans)
                for flow in self._flows
            )
        return +struck

    def _look_through(self, shown: Mapping[int, Sequence[str]]) -> list[Finding]:
        leaks = self._world.leaks + _secrets(self._flows, shown)
        found = reconcile(accounts(self._host), self._beliefs, leaks=leaks)
        breaches = sorted(found.breaches, key=lambda of: RULES.index(of.rule))
        return [Finding(of.rule, of.why, of.lane, of.order_no, of.intent) for of in breaches]


class _Chat(Chat):
    """The user is away before some turns for longer than the scenario says."""

    def __init__(self, world: World, user: str, case: Case, due: float) -> None:
        super().__init__(world, 0, user, case.turns, due)
        self._aways = {of.turn: of.for_s for of in case.aways}

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Flow]:
        self.due += self._aways.get(len(self.flows), 0)
        async with Chat.turn(self) as flow:
            yield flow


class _InTurns:
    """Faults of the turns alone: an app that cannot even start has nobody to pay for."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def at(self, provider: str, key: DrawKey) -> Sequence[Fault]:
        return self._faults.at(provider, key) if key.conversation != BOOT else ()


class _Told(Beliefs):
    """It keeps the texts too."""

    def __init__(self) -> None:
        super().__init__(claim_of)
        self._texts: list[tuple[str, str, str]] = []

    def show(self, lane: str, order_no: str, text: str, at_s: float) -> None:
        super().show(lane, order_no, text, at_s)
        self._texts.append((lane, order_no, text))

    def texts(self) -> dict[int, list[str]]:
        """By the turn of their payment; those of payments of which nothing is held by the first."""
        texts: dict[int, list[str]] = {}
        for lane, order_no, text in self._texts:
            belief = self.get(lane, order_no)
            turn = int(belief.intent.rpartition(".")[2]) if belief is not None else 0
            texts.setdefault(turn, []).append(text)
        return texts


def _secrets(flows: Iterable[Flow], shown: Mapping[int, Sequence[str]]) -> int:
    """In whatever is kept of a turn, or was shown."""
    faults = [text for flow in flows for text in (flow.fault, flow.cause) if text]
    causes = [span.fault for flow in flows for span in flow.spans if span.fault]
    told = [text for texts in shown.values() for text in texts]
    return sum(map(count_secrets, dict.fromkeys([*faults, *causes, *told])))


def _refreshed(of: AtOnce) -> Finding:
    why = f"a session that ran out was refreshed {of.times} times at once"
    return Finding(ONE_REFRESH, why, of.lane, intent=of.intent)


_STORM: tuple[Fault, str] = ("storms", "intent")
_OF_SESSIONS = ("session", "refresh")
_ENDLESS = Finding(BUG, f"it never ends: more than {FOR_EVER_S / 86_400:.0f} days went by")


def _bug(error: BaseException) -> Finding:
    error = innermost(error)
    at = traceback.extract_tb(error.__traceback__)
    where = f" in {at[-1].name}" if at else ""
    trace = "".join(traceback.format_exception(error))
    return Finding(BUG, f"{type(error).__name__}: {error}{where}", trace=trace)


@cache
def _speaking(scenario: str, by: int) -> Speaking:
    needed: Sequence[Role] = getattr(SCENARIOS[scenario], "roles", ROLES)
    roles = {role: {**DEFAULTS, **SPOKEN_BY[by]}[role] for role in needed}
    return Speaking(
        roles=roles,
        models={name: load(name, ModelProfile) for name in roles.values()},
        cny_per_usd=_cny_per_usd(),
    )


@cache
def _payment(lane: str) -> PaymentProfile:
    return load(lane, PaymentProfile)


@cache
def _cny_per_usd() -> float:
    return load("exchange", ExchangeProfile).rate.cny_per_usd
