"""Figures with stalls, with quantiles as seen, and with rates that differ: they load, are drawn as
they say, and change nothing for a profile that has none of them."""

from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest

from harness import draws
from harness.laws import Empirical, Stalling
from harness.providers import MODELS as WIRES
from harness.providers.chat import Ask, Message
from harness.providers.told import DrawKey
from mocks.figures import stretched
from mocks.host import IN_PROCESS_URL, MockConfig, endpoints
from mocks.latency import Delays
from mocks.profile import BadProfile, ModelProfile, PaymentProfile, fingerprint, load
from tests.mocks.visit import Visit, visit

FROM = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
PAY = f"""provider = "flat"
[fee]
currency = "CNY"
{FROM}[overhead]
p50_ms = 300.0
p99_ms = 800.0
{FROM}"""
MODEL = f"""provider = "openai"
[latency]
ttft_p50_ms = 100.0
ttft_p99_ms = 300.0
tokens_per_s = 50.0
{FROM}"""
STALLS = "stalls = { share = 0.05, p50_ms = 2500.0, p99_ms = 6000.0 }\n"
QUANTILES = "quantiles_ms = [[0, 100], [0.5, 300], [0.9, 500], [0.99, 800], [1, 1000]]\n"
SLOWEST = "tokens_per_s_p1 = 25.0\n"
SHAPES = {"stalls": STALLS, "quantiles": QUANTILES}

KEYS = [DrawKey(n % 7, n, n % 5, "pay", 1) for n in range(8000)]


@pytest.fixture
def payment(tmp_path: Path) -> Callable[[str], PaymentProfile]:
    def loaded(more: str) -> PaymentProfile:
        (tmp_path / "mine.toml").write_text(PAY + more)
        return load(str(tmp_path / "mine.toml"), PaymentProfile)

    return loaded


@pytest.fixture
def model(tmp_path: Path) -> Callable[[str], ModelProfile]:
    def loaded(more: str) -> ModelProfile:
        (tmp_path / "mine.toml").write_text(MODEL + more)
        return load(str(tmp_path / "mine.toml"), ModelProfile)

    return loaded


Payment = Callable[[str], PaymentProfile]
Model = Callable[[str], ModelProfile]


@pytest.mark.parametrize("shape", ["", *SHAPES.values()])
def test_a_law_is_kept_beside_the_figures_and_is_none_of_them(shape: str, payment: Payment) -> None:
    profile, untouched = payment(shape), payment(shape)
    overhead = profile.overhead
    law = overhead.law_ms()
    at_median_s = overhead.quantile_s(0.5)
    assert overhead.law_ms() is law
    assert overhead == untouched.overhead
    assert msgspec.json.encode(profile) == msgspec.json.encode(untouched)
    assert fingerprint(profile) == fingerprint(untouched)
    slow = stretched(overhead, 2.0)
    assert slow.law_ms().quantile(0.5) == pytest.approx(2 * law.quantile(0.5))
    assert slow.quantile_s(0.5) == pytest.approx(2 * at_median_s)


def test_a_rate_that_was_asked_for_before_is_that_of_its_own_figures(model: Model) -> None:
    latency = model(SLOWEST).latency
    assert latency.rate(0.5) == latency.rate(0.5) == 50.0
    other = msgspec.structs.replace(latency, tokens_per_s=80.0)
    assert other.rate(0.5) == pytest.approx(80.0)
    assert latency.rate(0.99) == pytest.approx(25.0)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_overhead_is_drawn_by_its_law(shape: str, payment: Payment) -> None:
    overhead = payment(SHAPES[shape]).overhead
    law = overhead.law_ms()
    assert isinstance(law, {"stalls": Stalling, "quantiles": Empirical}[shape])
    delays = Delays(7, "flat")
    drawn = np.sort([delays.overhead_s(key, overhead) * 1e3 for key in KEYS])
    told = [law.cdf(ms) for ms in drawn[::200].tolist()]
    assert told == pytest.approx(np.arange(0, 1, 0.025).tolist(), abs=0.015)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_luck_stays_the_same_luck_under_another_shape(
    shape: str, payment: Payment
) -> None:
    delays, plain, shaped = Delays(7, "flat"), payment("").overhead, payment(SHAPES[shape]).overhead
    usual, other = (
        np.argsort([delays.overhead_s(key, of) for key in KEYS[:500]]) for of in (plain, shaped)
    )
    assert np.array_equal(usual, other)


def test_other_figures_are_drawn_by_their_law_too(payment: Payment) -> None:
    stalling = payment(STALLS).overhead
    delays = Delays(7, "stripe")
    for key in KEYS[:50]:
        told = stalling.law_ms().quantile(delays.luck(key, "call")) / 1e3
        assert delays.timed_s(key, "call", stalling) == draws.microseconds(told)


def test_a_lognormal_is_drawn_as_ever_to_the_last_bit(payment: Payment) -> None:
    overhead, delays = payment("").overhead, Delays(7, "stripe")
    for key in KEYS[:200]:
        assert delays.timed_s(key, "call", overhead) == delays.drawn_s(key, "call", 0.3, 0.8)


def test_the_first_token_stalls_as_its_profile_says(model: Model) -> None:
    latency = model(STALLS).latency
    delays = Delays(7, "openai")
    drawn = np.array([delays.ttft_s(key, latency) for key in KEYS])
    assert np.mean(drawn > 1.0) == pytest.approx(0.05, abs=0.008)


def test_rates_differ_between_answers_by_luck_of_their_own(model: Model) -> None:
    latency, delays = model(SLOWEST).latency, Delays(7, "openai")
    rates = np.array([delays.rate(key, latency) for key in KEYS])
    assert np.quantile(rates, [0.01, 0.5]) == pytest.approx([25, 50], rel=0.03)
    first = [delays.ttft_s(key, latency) for key in KEYS]
    assert abs(np.corrcoef(first, rates)[0, 1]) < 0.05
    assert {delays.rate(key, model("").latency) for key in KEYS[:10]} == {50.0}


def test_a_mock_takes_its_rate_for_the_whole_answer(model: Model) -> None:
    config = MockConfig(seed=7, pay={}, models={"mine": model(SLOWEST)})
    asked = Ask(model="mine", messages=[Message("user", "Hello?")])
    call = WIRES["openai"].chat(endpoints(IN_PROCESS_URL, config)["openai"], asked)

    async def story(at: Visit) -> tuple[int, int]:
        request = httpx.Request("POST", call.request.url, headers=call.request.headers,
                                content=call.request.content)  # fmt: skip
        answer = await at.send(request, KEYS[3])
        usage = msgspec.json.decode(answer.body)["usage"]
        return answer.took_us, usage["completion_tokens"]

    took_us, tokens = visit(story, config)
    delays, latency = Delays(7, "openai"), config.models["mine"].latency
    rate = delays.rate(KEYS[3], latency)
    assert took_us == round(1e6 * (delays.ttft_s(KEYS[3], latency) + round(tokens / rate, 6)))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_stretched_figure_takes_longer_by_any_luck(shape: str, payment: Payment) -> None:
    overhead = payment(SHAPES[shape]).overhead
    slow = stretched(overhead, 1.2)
    assert (slow.p50_ms, slow.p99_ms) == (360.0, 960.0)
    for u in (0.01, 0.5, 0.97, 0.999):
        assert slow.law_ms().quantile(u) == pytest.approx(1.2 * overhead.law_ms().quantile(u))


def test_a_fingerprint_is_that_of_before_where_nothing_is_added(payment: Payment) -> None:
    # Runs that are kept name their profiles by these.
    assert fingerprint(load("gpt-4o", ModelProfile)) == "aa22fc6ec7a8859d"
    assert fingerprint(load("flat", PaymentProfile)) == "6518dee277d76f43"
    prints = {fingerprint(payment(more)) for more in ("", STALLS, QUANTILES)}
    assert len(prints) == 3


def test_shapes_travel_to_a_process_of_their_own(payment: Payment, model: Model) -> None:
    config = MockConfig(
        seed=1,
        pay={"a": payment(STALLS), "b": payment(QUANTILES)},
        models={"mine": model(SLOWEST)},
    )
    assert msgspec.json.decode(msgspec.json.encode(config), type=MockConfig) == config


BAD: dict[str, tuple[str, str]] = {
    "two laws": (STALLS + QUANTILES, "stalls and quantiles_ms are two laws"),
    "stalls of nobody": (STALLS.replace("0.05", "0.0"), "overhead.stalls.share"),
    "stalls of everybody": (STALLS.replace("0.05", "1.0"), "overhead.stalls.share"),
    "stalls below their median": (STALLS.replace("6000.0", "2000.0"), "stalls.p99_ms must be"),
    "stalls that are usual": (STALLS.replace("2500.0", "300.0"), "above the usual median of 300"),
    "an unknown figure of stalls": (STALLS.replace(" }", ", p95_ms = 1 }"), "p95_ms"),
    "no least": (QUANTILES.replace("[0, 100], ", ""), "must begin with the time of share 0"),
    "no most": (QUANTILES.replace(", [1, 1000]", ""), "end with that of 1"),
    "none at all": ("quantiles_ms = []\n", "must begin"),
    "times that fall": (QUANTILES.replace("500", "200"), "must rise from pair to pair"),
    "shares that stand": (QUANTILES.replace("0.9,", "0.5,"), "must rise from pair to pair"),
    "no time at all": (QUANTILES.replace("100]", "0]"), "quantiles_ms"),
    "stalls of no number": (STALLS.replace("2500.0", "nan"), "overhead.stalls.p50_ms"),
    "stalls out of reach": (
        STALLS.replace("2500.0", "1e-9").replace("6000.0", "9e11"),
        "stalls.p99_ms must be at most 1e+12 times the median",
    ),
    "a least out of reach": (QUANTILES.replace("100]", "5e-324]"), "reach no further than 1e+12"),
    "another median": (QUANTILES.replace("300", "350"), "a p50 of 350 ms, its summary says 300"),
    "another p99": (QUANTILES.replace("800", "900"), "a p99 of 900 ms, its summary says 800"),
}


@pytest.mark.parametrize("why", BAD)
def test_a_shape_that_cannot_be_is_told_with_its_place(why: str, payment: Payment) -> None:
    text, says = BAD[why]
    with pytest.raises(BadProfile) as caught:
        payment(text)
    message = str(caught.value)
    assert message.startswith("mine.toml") and "overhead" in message
    assert says in message and "\n" not in message


def test_a_slowest_rate_above_the_usual_one_is_told(model: Model) -> None:
    with pytest.raises(BadProfile, match=r"latency\.tokens_per_s_p1 must be below .* 50"):
        model(SLOWEST.replace("25", "50"))
