"""A stage that is slowed takes longer by any luck, whatever the shape of its figures."""

from pathlib import Path

import msgspec
import pytest

from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.slowing import PAY, SESSION, slowed
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from mocks.figures import Overhead, TokenLatency

FROM = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
SHAPES = {
    "lognormal": "",
    "stalls": "stalls = { share = 0.1, p50_ms = 3000.0, p99_ms = 6000.0 }\n",
    "quantiles": "quantiles_ms = [[0, 100], [0.5, 300], [0.99, 800], [1, 900]]\n",
}
PROVIDER = f"""provider = "unionpay-ai"
[fee]
currency = "CNY"
{FROM}[session]
share = 0.4
lifetime_s = 900.0
{FROM}[overhead]
p50_ms = 300.0
p99_ms = 800.0
{FROM}"""
MODEL = f"""provider = "openai"
[latency]
ttft_p50_ms = 300.0
ttft_p99_ms = 800.0
tokens_per_s = 50.0
tokens_per_s_p1 = 25.0
{FROM}"""
LUCK = (0.01, 0.5, 0.93, 0.999)


@pytest.fixture(params=SHAPES)
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Setup:
    (tmp_path / "pay.toml").write_text(PROVIDER + SHAPES[request.param])
    (tmp_path / "model.toml").write_text(MODEL + SHAPES[request.param])
    options = {"pay": str(tmp_path / "pay.toml"), "intent": str(tmp_path / "model.toml")}
    asked = msgspec.convert(options, Options)
    return checked(asked, Problems(), [Strategy()], rounds=5, turns=20)


def overhead(setup: Setup) -> tuple[Overhead, float]:
    """With the session's share of it."""
    (profile,) = setup.mocks.pay.values()
    assert profile.session is not None
    return profile.overhead, profile.session.share


def latency(setup: Setup) -> TokenLatency:
    roles = {str(role): name for role, name in setup.speaking.roles.items()}
    return setup.mocks.models[roles["intent"]].latency


@pytest.mark.parametrize("u", LUCK)
@pytest.mark.parametrize(("stage", "session", "rest"), [(PAY, 0.4, 0.72), (SESSION, 0.48, 0.6)])
def test_one_part_of_a_payment_is_slowed_and_the_other_is_not(
    setup: Setup, stage: str, session: float, rest: float, u: float
) -> None:
    whole_ms = overhead(setup)[0].law_ms().quantile(u)
    slow, share = overhead(slowed(setup, stage, 0.2))
    slow_ms = slow.law_ms().quantile(u)
    assert slow_ms * share == pytest.approx(whole_ms * session)
    assert slow_ms * (1 - share) == pytest.approx(whole_ms * rest)


@pytest.mark.parametrize("u", LUCK)
def test_a_model_is_slower_to_its_first_token_and_after_it(setup: Setup, u: float) -> None:
    usual, slow = latency(setup), latency(slowed(setup, "intent", 0.2))
    assert slow.law_ms().quantile(u) == pytest.approx(1.2 * usual.law_ms().quantile(u))
    assert slow.rate(u) == pytest.approx(usual.rate(u) / 1.2)
