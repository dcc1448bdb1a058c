"""What `tollbench doctor` finds: every provider's side, its host, and what a run would send; it
prints nothing and sends no request."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import httpx
import msgspec

from harness.cli.compare import USUAL_REAL
from harness.cli.estimate import Played, expected
from harness.cli.problems import Problems
from harness.cli.reach import Reached, reach
from harness.cli.setup import Options, checked
from harness.cli.targets import (
    Side,
    Wanted,
    caps_of,
    objections,
    providers_of,
    side_of,
    target_of,
)
from harness.flow.strategy import MITIGATIONS, all_strategies
from harness.providers import PAYMENTS
from harness.real.caps import Caps
from harness.real.credentials import NAMES, PROVIDERS, SEVERAL, Found, Refused
from harness.real.hosts import public_base
from harness.record import TargetKind

Reach = Callable[[Mapping[str, str]], Mapping[str, Reached]]


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. `found` are names of variables, also where they are too few, or refused; `note`
    is why it would be mocked, or what of the environment is not used."""

    name: str
    kind: TargetKind
    payments: bool
    host: str = ""
    found: tuple[str, ...] = ()
    note: str = ""
    refused: bool = False
    reached: Reached | None = None


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would send one provider, about; orders at most."""

    provider: str
    kind: TargetKind
    calls_a_turn: int
    calls: int
    calls_per_s: float
    orders: int
    usd: float


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """All that doctor tells. `turns` are those of the run in all, at `rate` a second."""

    scenario: str
    providers: list[Provider]
    turns: int
    rate: float
    sent: list[Sent]
    """Of the providers that this run would ask, and that have a real counterpart."""
    caps: Caps
    problems: list[str]
    """Why the run would be refused."""


def examine(
    options: Options, wanted: Wanted, *, reach_all: bool = False, reaching: Reach = reach
) -> Examined:
    """Raises BadInput where the options make no run at all."""
    problems = Problems()
    caps = caps_of(wanted, problems)
    turns, rate = int(USUAL_REAL.flows), USUAL_REAL.rate
    strategies = all_strategies(MITIGATIONS)
    setup = checked(replace(options, clock="real", rate=rate), problems, strategies, turns=turns)
    played = Played(
        scenario=setup.scenario,
        speaking=setup.speaking,
        pay=setup.mocks.pay,
        variants=setup.variants,
        turns=len(setup.variants) * (turns + 1),
        rate=setup.rate,
    )
    sides = {name: side_of(name, wanted) for name in (*PROVIDERS, *_only_mocks())}
    bases = {name: _base(name, side) for name, side in sides.items()}
    asked = {
        name: base
        for name, base in bases.items()
        if base and (reach_all or isinstance(sides[name], Found))
    }
    reached = reaching(asked) if asked else {}
    return Examined(
        scenario=options.scenario,
        providers=[
            _provider(name, side, bases[name], reached.get(name), wanted.environ)
            for name, side in sides.items()
        ],
        turns=played.turns,
        rate=played.rate,
        sent=_sent(played, sides),
        caps=caps,
        problems=list(_problems(played, sides, caps)),
    )


def _only_mocks() -> list[str]:
    return [name for name in PAYMENTS if name not in PROVIDERS]


def _base(name: str, side: Side | None) -> str:
    """Where it would be asked; "" where everybody has one of their own, and none is told."""
    if isinstance(side, Found):
        return side.endpoint.base_url
    return "" if side is None else public_base(name)


def _provider(
    name: str, side: Side | None, base: str, reached: Reached | None, environ: Mapping[str, str]
) -> Provider:
    told = target_of(name, side)
    if isinstance(side, Found):
        found, unused = side.variables, side.ignored
        note = f"not used: {', '.join(unused)}" if unused else ""
    else:
        found, note = tuple(of for of in _variables(name) if environ.get(of, "").strip()), told.why
    return Provider(
        name=name,
        kind=told.kind,
        payments=told.payments,
        host=_host(base),
        found=found,
        note=note,
        refused=isinstance(side, Refused),
        reached=reached,
    )


def _variables(name: str) -> tuple[str, ...]:
    """All that could open it."""
    if name in NAMES:
        return (*NAMES[name].keys, NAMES[name].base)
    return SEVERAL.get(name, ())


def _host(base: str) -> str:
    """With its port where that is not the usual one."""
    return httpx.URL(base).netloc.decode("ascii") if base else ""


def _sent(played: Played, sides: Mapping[str, Side | None]) -> list[Sent]:
    return [
        Sent(
            provider=of.provider,
            kind=target_of(of.provider, sides[of.provider]).kind,
            calls_a_turn=of.requests_per_turn,
            calls=of.requests,
            calls_per_s=round(of.per_s, 3),
            orders=of.orders,
            usd=round(of.usd, 4),
        )
        for of in expected(played, PROVIDERS)
    ]


def _problems(played: Played, sides: Mapping[str, Side | None], caps: Caps) -> Iterator[str]:
    asked = {name: sides.get(name) for name in providers_of(played)}
    if not any(isinstance(side, Found | Refused) for side in asked.values()):
        yield "nobody whom it asks has credentials here"
    yield from objections(played, asked, caps)
