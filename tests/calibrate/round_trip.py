"""The round trip over sockets: a mock with known laws is recorded, fitted, served by its fit, and
recorded again; run as a program it prints how far each step is off the truth.

    python -m tests.calibrate.round_trip --seeds 5 --calls 12000 --rate 500

It asserts nothing of times. What was told beside what was seen is how far this machine is to blame,
and what was told beside the truth is the luck of so many draws. By luck alone p95 of PAYMENT is
within its bar 19 times in 20 from 4,900 calls on in the fitted law, and from 11,500 on in the
second recording, which has the luck of two: see tests/stats/test_round_trip_size.py.
"""

import argparse
import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from harness.calibrate import Recorder, RecordingTransport
from harness.calibrate.check import BARS, sample
from harness.calibrate.reading import read_samples
from harness.calibrate.samples import Sample
from harness.cli.mock_probes import model_call
from harness.cli.mock_process import mock_process
from harness.cli.mocks_fit import Options, fit_profile
from harness.clock import RealClock, run
from harness.http1 import Sockets
from harness.laws import Law, Lognormal
from harness.providers import flat
from harness.providers.told import DrawKey, name_draw
from harness.record import FloatArray
from harness.stats.fit import QUANTILES
from harness.transport import Measured
from mocks.figures import TokenLatency
from mocks.host import MockConfig, endpoints
from mocks.latency import Delays
from mocks.profile import ModelProfile, PaymentProfile, load

FROM = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
PAYMENT = f"""provider = "flat"
[fee]
currency = "CNY"
{FROM}[overhead]
p50_ms = 640.0
p99_ms = 1200.0
stalls = {{ share = 0.03, p50_ms = 4400.0, p99_ms = 5200.0 }}
{FROM}"""
MODEL = f"""provider = "openai"
[latency]
ttft_p50_ms = 500.0
ttft_p99_ms = 1500.0
tokens_per_s = 60.0
tokens_per_s_p1 = 45.0
{FROM}"""
TRUTH = {"flat": PAYMENT, "openai": MODEL}
NAME = "quick"
"""The model's."""
AGAIN = 1000
"""How far the second recording's seed is from the first's."""

Times = dict[str, FloatArray]
"""Seconds, by what they are of."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the mock meant to take, and what the recording says it took."""

    told: Times
    seen: Times
    error: FloatArray
    """What each call took longer than it was meant to, in seconds."""


def recorded(
    profile: Path, provider: str, calls: int, per_s: float, seed: int, path: Path
) -> Recorded:
    """The mock of that profile served, and called so often."""
    keys = [DrawKey(0, n, 0, "pay" if provider == "flat" else "chat", 1) for n in range(calls)]
    config = MockConfig(
        seed=seed,
        pay={"flat": load(str(profile), PaymentProfile)} if provider == "flat" else {},
        models={NAME: load(str(profile), ModelProfile)} if provider == "openai" else {},
    )
    with mock_process(config) as base_url:
        requests = list(_requests(base_url, config, provider, keys))
        took = run("real", _record(requests, per_s, path))
    assert {one.status for one in took} <= {200, 201}
    meant = np.array([one.told.injected_ms / 1e3 for one in took if one.told])
    error = np.array([one.end - one.start for one in took]) - meant
    return Recorded(_told(profile, provider, keys, seed), _seen(read_samples(path).samples), error)


def fitted(source: Path, provider: str, like: Path) -> Path:
    """The profile that `mocks fit` makes of the recording."""
    out = source.with_suffix(".toml")
    model = NAME if provider == "openai" else None
    options = Options(
        sources=[str(source)], stages=[], provider=provider, model=model, like=str(like),
        name=None, out=str(out), force=False, as_json=True,
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        fit_profile(options)
    return out


def laws_of(profile: Path, provider: str) -> dict[str, Law]:
    """Of seconds, by what they are of."""
    if provider == "flat":
        return {"transaction": load(str(profile), PaymentProfile).overhead.law_ms().times(1e-3)}
    latency = load(str(profile), ModelProfile).latency
    rate = Lognormal(1 / latency.tokens_per_s, 1 / _slowest(latency))
    return {"first token": latency.law_ms().times(1e-3), "time a token": rate}


def off(law: Law, seconds: Law | Sequence[float] | FloatArray) -> list[float]:
    """How far p50, p95 and p99 are from the law's, as shares."""
    if isinstance(seconds, Law):
        found = [seconds.quantile(q) for q in QUANTILES]
    else:
        found = np.quantile(seconds, QUANTILES).tolist()
    return [of / law.quantile(q) - 1 for q, of in zip(QUANTILES, found, strict=True)]


def held(offs: Sequence[float]) -> bool:
    return all(abs(of) <= bar for of, bar in zip(offs, BARS, strict=True))


def _slowest(latency: TokenLatency) -> float:
    one_in_a_hundred = latency.tokens_per_s_p1
    return one_in_a_hundred if isinstance(one_in_a_hundred, float) else latency.tokens_per_s


def _requests(
    base_url: str, config: MockConfig, provider: str, keys: Sequence[DrawKey]
) -> Iterator[httpx.Request]:
    at = endpoints(base_url, config)[provider]
    for key in keys:
        if provider == "openai":
            request = model_call(provider, at, NAME, stream=True).request
        else:
            order = f"order-{key.conversation}"
            request = flat.pay(
                at, flat.NewPayment(order, 100, "CNY", "ada", "balance", "tea")
            ).request
        name_draw(request, key)
        yield request


async def _record(requests: list[httpx.Request], per_s: float, path: Path) -> list[Measured]:
    with Recorder(path) as recorder:
        async with RecordingTransport(Sockets(), recorder) as transport:
            return await sample(transport, RealClock(), requests, per_s)


def _told(profile: Path, provider: str, keys: Sequence[DrawKey], seed: int) -> Times:
    """The draws that the mock has served: they hang on nothing but seed and key."""
    delays = Delays(seed, provider)
    if provider == "flat":
        overhead = load(str(profile), PaymentProfile).overhead
        return {"transaction": np.array([delays.overhead_s(key, overhead) for key in keys])}
    latency = load(str(profile), ModelProfile).latency
    return {
        "first token": np.array([delays.ttft_s(key, latency) for key in keys]),
        "time a token": np.array([1 / delays.rate(key, latency) for key in keys]),
    }


def _seen(samples: Sequence[Sample]) -> Times:
    first = np.array([one.first_token_s for one in samples])
    total = np.array([one.total_s for one in samples])
    tokens = np.array([one.completion_tokens or 0 for one in samples])
    if not tokens.all():
        return {"transaction": total}
    return {"first token": first, "time a token": (total - first) / tokens}


# As a program


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="so many trips (5)")
    parser.add_argument("--calls", type=int, default=12_000, help="of each recording (12,000)")
    parser.add_argument("--rate", type=float, default=500.0, help="payments a second (500)")
    parser.add_argument("--streams", type=float, default=150.0, help="model answers a second (150)")
    parser.add_argument("--only", choices=TRUTH, help="that provider alone")
    asked = parser.parse_args()
    for provider in [asked.only] if asked.only else TRUTH:
        per_s = asked.rate if provider == "flat" else asked.streams
        print(f"{provider}: {asked.calls:,} calls, {per_s:g}/s; how far off the truth, in %")
        print(_HEAD)
        kept = [_trip(provider, asked.calls, per_s, seed) for seed in range(1, asked.seeds + 1)]
        print(f"{provider}: the bar held in {sum(kept)} of {len(kept)} trips\n")


def _trip(provider: str, calls: int, per_s: float, seed: int) -> bool:
    """Prints its rows; whether the law and what was seen at last are within the bars."""
    with tempfile.TemporaryDirectory() as folder:
        truth, first_path = Path(folder) / "truth.toml", Path(folder) / "first.jsonl"
        truth.write_text(TRUTH[provider])
        first = recorded(truth, provider, calls, per_s, seed, first_path)
        profile, again_path = fitted(first_path, provider, truth), Path(folder) / "again.jsonl"
        again = recorded(profile, provider, calls, per_s, seed + AGAIN, again_path)
        laws, found = laws_of(truth, provider), laws_of(profile, provider)
    kept = True
    for name, law in laws.items():
        steps = [
            off(law, of)
            for of in (first.told[name], first.seen[name], found[name], again.told[name],
                       again.seen[name])
        ]  # fmt: skip
        kept = kept and held(steps[2]) and held(steps[-1])
        _print(seed, name, law, steps)
    late = "; again ".join(
        f"p50 {_ms(one.error, 0.5)}, p99 {_ms(one.error, 0.99)}" for one in (first, again)
    )
    print(f"{seed:>4} late by ms: first {late}", flush=True)
    return kept


_HEAD = (
    f"{'':30} | {'first':>13} | {'':>6} | {'again':>13} |\n"
    f"seed {'':12}  q  {'truth ms':>8} |   told   seen |    law |   told   seen | bar"
)


def _print(seed: int, name: str, law: Law, steps: Sequence[Sequence[float]]) -> None:
    for n, (q, bar) in enumerate(zip(QUANTILES, BARS, strict=True)):
        told, seen, fit, told_again, seen_again = (f"{100 * step[n]:+6.2f}" for step in steps)
        kept = all(abs(step[n]) <= bar for step in (steps[2], steps[-1]))
        print(
            f"{seed:>4} {name:<12} p{100 * q:g} {1e3 * law.quantile(q):8.1f} | {told} {seen} | "
            f"{fit} | {told_again} {seen_again} | {100 * bar:g} %{'' if kept else ' no'}"
        )


def _ms(seconds: FloatArray, q: float) -> str:
    return f"{1e3 * float(np.quantile(seconds, q)):.2f}"


if __name__ == "__main__":
    main()
