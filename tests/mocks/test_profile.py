"""Profiles: each shipped one loads and says where it is from; a bad one is told in one line."""

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from mocks.profile import (
    FOLDER,
    BadProfile,
    Figures,
    ModelProfile,
    PaymentProfile,
    fingerprint,
    load,
    names,
)

Profile = PaymentProfile | ModelProfile
Loader = Callable[[str], Profile]


def payment(name: str) -> Profile:
    return load(name, PaymentProfile)


def model(name: str) -> Profile:
    return load(name, ModelProfile)


SHIPPED = {
    **{name: payment(name) for name in names(PaymentProfile)},
    **{name: model(name) for name in names(ModelProfile)},
}

MODEL = """\
wire = "openai"

[latency]
ttft_p50_ms = 100.0
ttft_p99_ms = 300.0
tokens_per_s = 50.0
provenance = "assumed"
source = "tests"
date = 2026-01-01
"""
PAYMENT = (FOLDER / "wechat-ai.toml").read_text("utf-8")


def figures(profile: Profile) -> Iterator[Figures]:
    for field in msgspec.structs.fields(profile):
        value = getattr(profile, field.name)
        if isinstance(value, Figures):
            yield value


def test_every_shipped_file_is_a_profile_of_some_kind() -> None:
    assert sorted(SHIPPED) == sorted(path.stem for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_figure_says_where_it_is_from(name: str) -> None:
    stated = list(figures(SHIPPED[name]))
    assert len(stated) == (4 if isinstance(SHIPPED[name], PaymentProfile) else 1)
    for figure in stated:
        assert figure.provenance in ("article", "vendor", "measured", "assumed")
        assert len(figure.source) > 10
        assert figure.date >= datetime.date(2026, 1, 1)


def test_a_profile_may_be_a_file_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MODEL, "utf-8")
    assert load(str(path), ModelProfile).latency.ttft_p99_ms == 300.0


BAD: dict[str, tuple[Loader, str, str]] = {
    "missing key": (model, MODEL.replace("tokens_per_s = 50.0\n", ""), "tokens_per_s"),
    "missing table": (model, 'wire = "openai"\n', "latency"),
    "missing provenance": (
        model,
        MODEL.replace('provenance = "assumed"\n', ""),
        "provenance",
    ),
    "unknown provenance": (model, MODEL.replace("assumed", "hearsay"), "hearsay"),
    "wrong type": (model, MODEL.replace("50.0", '"fast"'), "latency.tokens_per_s"),
    "a date that is none": (model, MODEL.replace("2026-01-01", '"today"'), "latency.date"),
    "unknown key": (model, MODEL + "retries = 3\n", "retries"),
    "unknown table": (model, MODEL + "[limits]\nrpm = 60\n", "limits"),
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
    "empty": (model, "", "wire"),
    "the wrong wire": (model, PAYMENT, "wire"),
    "a model where a payment is due": (payment, MODEL, "wire"),
    "overhead's p99 below its median": (
        payment,
        PAYMENT.replace("1200.0", "900.0"),
        "overhead.p99_ms must be above the median of 980 ms, not 900",
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
            'wire = "openai"\nlatency = { date = 2026-01-01, source = "tests", tokens_per_s = 50.0,'
            ' provenance = "assumed", ttft_p99_ms = 300.0, ttft_p50_ms = 100.0 }\n',
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
