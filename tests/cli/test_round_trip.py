"""What is recorded, fitted, served and recorded again takes the time that it took at first."""

from pathlib import Path

import pytest

from harness.calibrate.check import BARS
from harness.providers.told import DrawKey
from mocks.latency import Delays
from mocks.profile import PaymentProfile, load
from tests.calibrate.round_trip import FROM, PAYMENT, fitted, laws_of, off, recorded

STALLS = "stalls = { share = 0.2, p50_ms = 2500.0, p99_ms = 2900.0 }\n"
# Long beside what a machine adds, and narrow beside the bars: in 1,500 draws the bars are four
# standard deviations of luck away.
TRUTH = {
    "flat": f"""provider = "flat"
[fee]
currency = "CNY"
{FROM}[overhead]
p50_ms = 1000.0
p99_ms = 1200.0
{STALLS}{FROM}""",
    "openai": f"""provider = "openai"
[latency]
ttft_p50_ms = 1000.0
ttft_p99_ms = 1200.0
tokens_per_s = 60.0
tokens_per_s_p1 = 50.0
{STALLS}{FROM}""",
}


def test_a_fitted_mock_draws_what_it_was_fitted_to(tmp_path: Path) -> None:
    """As the round trip over sockets, but without them: of these draws all is within half a bar,
    on any machine."""
    truth, source = tmp_path / "truth.toml", tmp_path / "drawn.csv"
    truth.write_text(PAYMENT)
    source.write_text("\n".join(["total_ms", *(f"{1e3 * s:.3f}" for s in drawn(truth, 1))]))
    profile = fitted(source, "flat", truth)
    law = laws_of(truth, "flat")["transaction"]
    for steps in (off(law, laws_of(profile, "flat")["transaction"]), off(law, drawn(profile, 101))):
        assert all(abs(of) < bar / 2 for of, bar in zip(steps, BARS, strict=True))


def drawn(profile: Path, seed: int, calls: int = 6000) -> list[float]:
    """The seconds that so many payments are meant to take."""
    overhead, delays = load(str(profile), PaymentProfile).overhead, Delays(seed, "flat")
    return [delays.overhead_s(DrawKey(0, n, 0, "pay", 1), overhead) for n in range(calls)]


@pytest.mark.socket
@pytest.mark.parametrize(
    ("provider", "calls", "per_s"),
    [
        pytest.param("flat", 1500, 500, marks=pytest.mark.slow),
        pytest.param("openai", 1000, 250, marks=pytest.mark.slow),
    ],
)
def test_a_recorded_mock_is_the_same_when_it_is_served_by_its_fit(
    provider: str, calls: int, per_s: float, tmp_path: Path
) -> None:
    truth, first = tmp_path / "truth.toml", tmp_path / "first.jsonl"
    truth.write_text(TRUTH[provider])
    recorded(truth, provider, calls, per_s, 1, first)
    profile = fitted(first, provider, truth)
    again = recorded(profile, provider, calls, per_s, 101, tmp_path / "again.jsonl")
    for name, law in laws_of(truth, provider).items():
        for steps in (off(law, laws_of(profile, provider)[name]), off(law, again.seen[name])):
            assert all(abs(of) < bar for of, bar in zip(steps, BARS, strict=True))
