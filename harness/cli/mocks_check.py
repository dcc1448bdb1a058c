"""`tollbench mocks check`: served mocks held against their profiles, over sockets; it judges none
of them itself."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import httpx
import msgspec
from msgspec import structs
from rich.console import Console
from rich.text import Text

from harness.calibrate.check import Against, Checked, Timed, Verdict, check, sample
from harness.cli.exits import INCONCLUSIVE, PASS, REGRESSION
from harness.cli.fitted_profile import quantiles_json
from harness.cli.mock_probes import (
    INSTANT,
    PROBES,
    answered,
    hop_times,
    instant,
    model_call,
    model_times,
    payment_times,
)
from harness.cli.mock_process import mock_process
from harness.cli.problems import Problems
from harness.cli.served import chosen
from harness.clock import RealClock, run
from harness.flow.flow import PATIENCE_S
from harness.http1 import Sockets
from harness.providers.call import Call, Endpoint, ProviderFault
from harness.providers.chat import Reply
from harness.report.tables import plain_table
from harness.stats.fit import Held
from harness.transport import Measured, measure
from mocks.credentials import CREDENTIALS
from mocks.host import MockConfig, endpoints
from mocks.profile import ExchangeProfile, GatewayProfile, ModelProfile, PaymentProfile, Profile

PER_S = 150.0
"""Calls a second: a client and a server on two cores keep up with them well."""
LEAST_SAMPLES, MOST_SAMPLES = 20, 1_000_000

_CODES: dict[Verdict, int] = {
    "PASS": PASS,
    "CANNOT TELL": INCONCLUSIVE,
    "DOES NOT HOLD": REGRESSION,
}
_STYLES: dict[Verdict, str] = {
    "PASS": "bold green",
    "CANNOT TELL": "bold yellow",
    "DOES NOT HOLD": "bold red",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """As the user wrote them."""

    profiles: Sequence[str]
    samples: str
    url: str | None
    seed: str
    as_json: bool


def check_profiles(options: Options) -> int:
    """Returns the exit code; raises BadInput with all that is wrong."""
    problems = Problems()
    samples = problems.whole("--samples", options.samples, LEAST_SAMPLES, MOST_SAMPLES)
    url = problems.base_url("--url", options.url).rstrip("/") if options.url else ""
    named = [text for text in options.profiles if text.endswith(".toml") or "/" in text]
    usual = [text for text in options.profiles if text not in named]
    served = chosen(problems, options.seed, [*named, *usual], [])
    # What was named comes last there, in this order: a file's own name may be another profile's.
    last = served.profiles[-len(options.profiles) :]
    by_text = dict(zip([*named, *usual], last, strict=True))
    asked = [by_text[text] for text in options.profiles]
    for name, profile in asked:
        if isinstance(profile, ExchangeProfile):
            problems.add(f"{name} holds no times: leave it out")
        if isinstance(profile, GatewayProfile) and url:
            problems.add(
                f"{name}: what a gateway adds is told only before a model of ours that "
                "takes no time; leave --url out"
            )
    problems.settle()
    found = run("real", _checked(asked, _unlimited(served.mocks), url, samples))
    if options.as_json:
        print(msgspec.json.encode([_as_json(one) for one in found]).decode())
    else:
        _print(found, Console(highlight=False))
    return _code(found)


def _unlimited(mocks: MockConfig) -> MockConfig:
    """Only times are checked: nobody waits or is refused. With a model that takes none."""
    models = {name: structs.replace(of, limits=None) for name, of in mocks.models.items()}
    models[INSTANT] = instant(next(iter(models.values())))
    return structs.replace(
        mocks,
        pay={name: structs.replace(of, limits=None) for name, of in mocks.pay.items()},
        models=models,
        gateways={name: structs.replace(of, limits=None) for name, of in mocks.gateways.items()},
    )


async def _checked(
    asked: Sequence[tuple[str, Profile]], mocks: MockConfig, url: str, samples: int
) -> list[Checked]:
    with contextlib.ExitStack() as served:
        base_url = url or served.enter_context(mock_process(mocks))
        async with Sockets() as transport:
            at = _At(transport, base_url, mocks, samples)
            return [check(timed) for name, of in asked async for timed in at.times(name, of)]


@dataclass(frozen=True, slots=True)
class _At:
    """Where the mocks are, and how many calls each is sent."""

    transport: Sockets
    base_url: str
    mocks: MockConfig
    samples: int

    async def times(self, name: str, profile: Profile) -> AsyncIterator[Timed]:
        at = endpoints(self.base_url, self.mocks)
        if isinstance(profile, PaymentProfile):
            yield await self._payment(name, profile, at[profile.provider])
        elif isinstance(profile, ModelProfile):
            took, calls = await self._asked_model(profile.provider, at, name, stream=True)
            found = answered(took, calls)
            for timed in model_times(name, profile, found, len(took) - len(found)):
                yield timed
        elif isinstance(profile, GatewayProfile):
            took, calls = await self._asked_model(profile.provider, at, INSTANT, stream=False)
            found = answered(took, calls)
            yield hop_times(name, profile, found, len(took) - len(found))

    async def _payment(self, name: str, profile: PaymentProfile, at: Endpoint) -> Timed:
        if keyed := CREDENTIALS.get(profile.provider):
            call = keyed.ask(at.base_url)
            told = await measure(self.transport, RealClock(), call.request, PATIENCE_S)
            try:
                at = call.decode(told.status, told.headers, told.body)
            except ProviderFault:
                return payment_times(name, profile, [], self.samples)
        probe = PROBES[profile.provider]
        took = await self._sampled([probe(at, n) for n in range(self.samples)])
        found = answered(took)
        return payment_times(name, profile, found, self.samples - len(found))

    async def _asked_model(
        self, provider: str, at: Mapping[str, Endpoint], model: str, *, stream: bool
    ) -> tuple[list[Measured], list[Call[Reply]]]:
        calls = [
            model_call(provider, at[provider], model, stream=stream) for _ in range(self.samples)
        ]
        return await self._sampled([call.request for call in calls]), calls

    async def _sampled(self, requests: Sequence[httpx.Request]) -> list[Measured]:
        return await sample(self.transport, RealClock(), requests, PER_S)


def _code(found: Sequence[Checked]) -> int:
    """That of the worst."""
    verdicts = {one.verdict for one in found}
    worst = next(
        (verdict for verdict in ("DOES NOT HOLD", "CANNOT TELL") if verdict in verdicts), "PASS"
    )
    return _CODES[cast(Verdict, worst)]


def _print(found: Sequence[Checked], console: Console) -> None:
    table = plain_table(2)
    table.add_column("", overflow="fold", max_width=26)
    for header in ("", "law", "told", "seen", "95 % interval", "off"):
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    for one in found:
        for row in _rows(one):
            table.add_row(*row)
    console.print(table)
    print("\nTimes in ms: by the profile, as the mock meant them, and as they were seen. KS")
    print("is the distance by Kolmogorov and Smirnov of what was told, or else was seen.")
    for one in found:
        verdict = Text(one.verdict, style=_STYLES[one.verdict])
        because = f": {one.because}" if one.because else ""
        error = (
            f" (own error {1e3 * one.error_p50:.2f} ms at p50, {1e3 * one.error_p99:.2f} at p99)"
        )
        console.print(Text.assemble(f"{_name(one)}: ", verdict, because, error))


def _rows(one: Checked) -> Iterator[tuple[str, ...]]:
    against = one.told or one.seen
    if against is None or one.seen is None:
        return
    beside = [
        one.timed.name,
        f"  {one.timed.times}, {one.timed.seen.size:,} calls",
        f"  KS {against.distance:.3f}, p {against.p:.2g}",
    ]
    told = one.told.held if one.told else [None] * len(one.seen.held)
    for name, meant, seen in zip(beside, told, one.seen.held, strict=True):
        yield name, f"p{100 * seen.q:g}", _ms(seen.law), _seen(meant), *_cells(seen)


def _cells(held: Held) -> tuple[str, str, str]:
    if held.seen is None or held.lo is None or held.hi is None or held.error is None:
        return "", "n too small", ""
    off = held.seen / held.law - 1
    return _ms(held.seen), f"{_ms(held.lo)} - {_ms(held.hi)}", f"{100 * off:+.1f} %"


def _seen(held: Held | None) -> str:
    return "" if held is None or held.seen is None else _ms(held.seen)


def _ms(seconds: float) -> str:
    ms = 1e3 * seconds
    return f"{ms:,.0f}" if ms >= 1000 else f"{ms:.4g}"


def _name(one: Checked) -> str:
    return f"{one.timed.name}, {one.timed.times}"


def _as_json(one: Checked) -> dict[str, object]:
    return {
        "profile": one.timed.name,
        "times": one.timed.times,
        "n": int(one.timed.seen.size),
        "failed": one.timed.failed,
        "told": _against_json(one.told),
        "seen": _against_json(one.seen),
        "error_p50_ms": 1e3 * one.error_p50,
        "error_p99_ms": 1e3 * one.error_p99,
        "verdict": one.verdict,
        "because": one.because,
    }


def _against_json(of: Against | None) -> dict[str, object] | None:
    if of is None:
        return None
    return {"ks": of.distance, "ks_p": of.p, "quantiles": quantiles_json(of.held)}
