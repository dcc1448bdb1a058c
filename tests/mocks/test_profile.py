"""Profiles: each shipped one loads and says where it is from; a bad one is told in one line."""

import datetime
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mocks.figures import Fee
from mocks.profile import (
    FOLDER,
    BadProfile,
    ExchangeProfile,
    GatewayProfile,
    ModelProfile,
    PaymentProfile,
    Profile,
    figures,
    fingerprint,
    load,
    names,
)

Loader = Callable[[str], Profile]


def payment(name: str) -> Profile:
    return load(name, PaymentProfile)


def model(name: str) -> Profile:
    return load(name, ModelProfile)


def gateway(name: str) -> Profile:
    return load(name, GatewayProfile)


PAYMENTS = {name: load(name, PaymentProfile) for name in names(PaymentProfile)}
MODELS = {name: load(name, ModelProfile) for name in names(ModelProfile)}
SHIPPED: dict[str, Profile] = {
    **PAYMENTS,
    **MODELS,
    **{name: gateway(name) for name in names(GatewayProfile)},
    **{name: load(name, ExchangeProfile) for name in names(ExchangeProfile)},
}

MODEL = """\
provider = "openai"

[latency]
ttft_p50_ms = 100.0
ttft_p99_ms = 300.0
tokens_per_s = 50.0
provenance = "assumed"
source = "tests"
date = 2026-01-01
"""
PAYMENT = (FOLDER / "wechat-ai.toml").read_text("utf-8")
ALIPAY = (FOLDER / "alipay-ai.toml").read_text("utf-8")


def test_every_shipped_file_is_a_profile_of_some_kind() -> None:
    assert sorted(SHIPPED) == sorted(path.stem for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_figure_says_where_it_is_from(name: str) -> None:
    stated = dict(figures(SHIPPED[name]))
    assert stated
    if isinstance(SHIPPED[name], PaymentProfile):
        assert {"overhead", "fee", "limits"} <= set(stated)
    for figure in stated.values():
        assert figure.provenance in ("article", "vendor", "measured", "assumed")
        assert len(figure.source) > 10
        assert figure.date >= datetime.date(2026, 1, 1)


def test_a_profile_may_be_a_file_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MODEL, "utf-8")
    assert load(str(path), ModelProfile).latency.ttft_p99_ms == 300.0


BAD: dict[str, tuple[Loader, str, str]] = {
    "missing key": (model, MODEL.replace("tokens_per_s = 50.0\n", ""), "tokens_per_s"),
    "missing table": (model, 'provider = "openai"\n', "latency"),
    "missing provenance": (
        model,
        MODEL.replace('provenance = "assumed"\n', ""),
        "provenance",
    ),
    "unknown provenance": (model, MODEL.replace("assumed", "hearsay"), "hearsay"),
    "wrong type": (model, MODEL.replace("50.0", '"fast"'), "latency.tokens_per_s"),
    "a date that is none": (model, MODEL.replace("2026-01-01", '"today"'), "latency.date"),
    "unknown key": (model, MODEL + "retries = 3\n", "retries"),
    "unknown table": (model, MODEL + "[retries]\nmost = 6\n", "retries"),
    "unknown key of a known table": (model, MODEL + "[limits]\nrpm = 60\n", "limits"),
    "an unknown provider": (model, MODEL.replace("openai", "closedai"), "closedai"),
    "a payment provider that plays a model": (model, MODEL.replace("openai", "stripe"), "stripe"),
    "zero": (model, MODEL.replace("50.0", "0.0"), "> 0"),
    "infinity": (model, MODEL.replace("300.0", "inf"), "latency.ttft_p99_ms"),
    "no number": (model, MODEL.replace("300.0", "nan"), "latency.ttft_p99_ms"),
    "p99 at the median": (model, MODEL.replace("300.0", "100.0"), "ttft_p99_ms must be"),
    "p99 below the median": (
        model,
        MODEL.replace("300.0", "99.0"),
        "the median of 100",
    ),
    "not TOML": (model, "ttft: 100\n", "is not TOML"),
    "not UTF-8": (model, MODEL.replace("tests", "\udcff"), "is not TOML"),
    "empty": (model, "", "provider"),
    "a payment where a model is due": (model, PAYMENT, "provider"),
    "a model where a payment is due": (payment, MODEL, "provider"),
    "a model where a gateway is due": (gateway, MODEL, "provider"),
    "a payment without its session": (
        payment,
        PAYMENT.replace("[session]", "[seasons]"),
        "seasons",
    ),
    "a payment that needs a session": (
        payment,
        re.sub(r"(?s)\[session\].*?(?=\n\[)", "", PAYMENT),
        "wechat-ai needs a section [session]",
    ),
    "a payment that needs a key": (
        payment,
        re.sub(r"(?s)\[key\].*?(?=\n\[)", "", PAYMENT),
        "wechat-ai needs a section [key]",
    ),
    "an approval's p99 below its median": (
        payment,
        ALIPAY.replace("p99_s = 15.0", "p99_s = 1.0"),
        "approval.p99_s must be above the median of 4, not 1",
    ),
    "a negative queue": (payment, PAYMENT.replace("queue = 10_000", "queue = -1"), "limits.queue"),
    "slots in part": (payment, PAYMENT.replace("slots = 2000", "slots = 0.5"), "limits.slots"),
    "no slot at all": (payment, PAYMENT.replace("slots = 2000", "slots = 0"), "limits.slots"),
    "overhead's p99 below its median": (
        payment,
        PAYMENT.replace("1200.0", "900.0"),
        "overhead.p99_ms must be above the median of 980, not 900",
    ),
    "a share above one": (payment, PAYMENT.replace("share = 0.4", "share = 40"), "share"),
    "a fee in part of a unit": (
        payment,
        PAYMENT.replace("minimum_minor = 10", "minimum_minor = 0.5"),
        "fee.minimum_minor",
    ),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_file_is_told_in_one_line_that_names_file_and_place(why: str, tmp_path: Path) -> None:
    loader, text, says = BAD[why]
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadProfile) as caught:
        loader(str(path))
    message = str(caught.value)
    assert message.startswith("mine.toml")
    assert says in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["gpt-5", "", "no/such/file.toml", "."])
def test_an_unknown_name_is_told_with_those_that_are_known(name: str) -> None:
    with pytest.raises(BadProfile) as caught:
        load(name, ModelProfile)
    assert "gpt-4o" in str(caught.value)
    assert "wechat-ai" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (MODEL, True),
        ("# a comment\n" + MODEL.replace("\n", "  # here too\n"), True),
        (MODEL.replace(" = ", "="), True),
        (MODEL.replace("100.0", "100"), True),
        (
            'provider = "openai"\nlatency = { date = 2026-01-01, source = "tests", '
            'tokens_per_s = 50.0, provenance = "assumed", '
            "ttft_p99_ms = 300.0, ttft_p50_ms = 100.0 }\n",
            True,
        ),
        (MODEL.replace("100.0", "100.5"), False),
        (MODEL.replace("tests", "elsewhere"), False),
        (MODEL.replace("2026-01-01", "2026-01-02"), False),
        (MODEL.replace("assumed", "measured"), False),
    ],
)
def test_a_fingerprint_follows_the_figures_and_not_the_layout(
    change: str, same: bool, tmp_path: Path
) -> None:
    prints = []
    for text in (MODEL, change):
        path = tmp_path / "mine.toml"
        path.write_text(text, "utf-8")
        prints.append(fingerprint(load(str(path), ModelProfile)))
    assert (prints[0] == prints[1]) is same


def test_no_two_shipped_profiles_share_a_fingerprint() -> None:
    assert len({fingerprint(profile) for profile in SHIPPED.values()}) == len(SHIPPED)


def test_a_claim_stands_beside_the_measurement_that_it_is_a_claim_about() -> None:
    claims = {name: profile.claim_of for name, profile in MODELS.items() if profile.claim_of}
    assert "claude-3-5-haiku-claimed" in claims
    for claimed, measured in claims.items():
        assert measured in MODELS
        assert MODELS[measured].claim_of == ""
        # A claim that promises no more than what was measured would be no claim.
        assert MODELS[claimed].latency.ttft_p50_ms < MODELS[measured].latency.ttft_p50_ms
        assert MODELS[claimed].latency.provenance in ("article", "vendor")


def test_every_model_says_what_its_tokens_cost() -> None:
    free = [name for name, profile in MODELS.items() if profile.price is None]
    assert [name for name in free if not MODELS[name].claim_of] == []


def test_weak_models_break_their_schema_and_strong_ones_do_not() -> None:
    shares = {
        name: profile.structure.breaks_share + profile.structure.leaks_share
        for name, profile in MODELS.items()
        if profile.structure
    }
    weak = {name for name, share in shares.items() if share > 0}
    assert {"gemini-1-5-pro", "mistral-small"} <= weak
    assert not {"gpt-4o", "claude-3-5-sonnet"} & weak


# Fees, by the figures of the article


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"),
    [(1, 10), (1666, 10), (1667, 10), (1750, 11), (4580, 27), (5000, 30), (100_000, 600)],
)
def test_the_fee_of_wechat_is_a_share_but_never_below_its_floor(
    amount_minor: int, fee_minor: int
) -> None:
    assert PAYMENTS["wechat-ai"].fee.of(amount_minor) == fee_minor


@pytest.mark.parametrize("amount_minor", [1, 5000, 10_000_000])
def test_the_flat_fee_is_flat(amount_minor: int) -> None:
    assert PAYMENTS["flat"].fee.of(amount_minor) == 30


def test_the_flat_fee_and_the_share_meet_at_fifty() -> None:
    share, flat = PAYMENTS["wechat-ai"].fee, PAYMENTS["flat"].fee
    assert [share.of(minor) - flat.of(minor) for minor in (4900, 5000, 5100)] == [-1, 0, 1]


def test_a_fee_in_another_currency_is_exchanged_and_a_share_is_not() -> None:
    fee = Fee(
        rate=0.029,
        fixed_minor=30,
        currency="USD",
        provenance="vendor",
        source="tests",
        date=datetime.date(2026, 1, 1),
    )
    assert fee.of(10_000) == 290 + 30
    assert fee.of(10_000, exchange=7.1) == 290 + 213


def test_a_monthly_minimum_is_in_no_single_fee() -> None:
    fee = PAYMENTS["alipay-ai"].fee
    assert fee.monthly_minimum_minor == 5_000_000
    assert fee.of(10_000) == 38
    assert fee.rate == 0.0038
