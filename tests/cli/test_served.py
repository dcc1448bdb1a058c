"""What `mocks serve` would serve: everything that is shipped, or what was named in its place."""

from pathlib import Path

import pytest

from harness.cli.exits import BadInput
from harness.cli.problems import Problems
from harness.cli.served import Served, chosen
from mocks.host import PAYMENTS
from mocks.profile import (
    FOLDER,
    ExchangeProfile,
    GatewayProfile,
    ModelProfile,
    fingerprint,
    load,
    names,
)

MODELS = names(ModelProfile)


def _served(
    *, seed: str = "1", profiles: tuple[str, ...] = (), capacities: tuple[str, ...] = ()
) -> Served:
    return chosen(Problems(), seed, profiles, capacities)


def _problems(
    *, seed: str = "1", profiles: tuple[str, ...] = (), capacities: tuple[str, ...] = ()
) -> list[str]:
    with pytest.raises(BadInput) as told:
        _served(seed=seed, profiles=profiles, capacities=capacities)
    return told.value.problems


def _slots(served: Served) -> dict[str, int]:
    """Of every profile that has its limits from the command line."""
    limited = [(name, of) for name, of in served.profiles if not isinstance(of, ExchangeProfile)]
    return {
        name: of.limits.slots
        for name, of in limited
        if of.limits and of.limits.source == "--capacity"
    }


def test_everything_shipped_is_served_a_payment_provider_by_its_namesake() -> None:
    mocks = _served(seed="7").mocks
    assert mocks.seed == 7
    assert set(mocks.pay) == set(PAYMENTS)
    assert {name: of.provider for name, of in mocks.pay.items()} == {n: n for n in mocks.pay}
    assert set(mocks.models) == set(MODELS)
    gateways = [load(name, GatewayProfile).provider for name in names(GatewayProfile)]
    assert set(mocks.gateways) == set(gateways)


def test_a_claim_never_answers_for_the_measured_model_of_its_id() -> None:
    models = _served().mocks.models
    last = {of.model: name for name, of in models.items() if of.model}
    for name, of in models.items():
        if of.claim_of:
            assert list(models).index(name) < list(models).index(of.claim_of)
            assert last.get(of.model) != name


def test_a_named_payment_profile_takes_its_providers_place(tmp_path: Path) -> None:
    text = (FOLDER / "flat.toml").read_text().replace("p50_ms", "p50_ms = 1.0 #", 1)
    (tmp_path / "quick.toml").write_text(text)
    served = _served(profiles=("stripe-list", str(tmp_path / "quick.toml")))
    assert served.mocks.pay["stripe"].fee.rate > 0
    assert served.mocks.pay["flat"].overhead.p50_ms == 1.0
    assert served.names_at("stripe") == ["stripe-list"]
    assert served.names_at("flat") == ["quick"]


def test_a_named_model_is_served_besides_the_others_and_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((FOLDER / "gpt-4o.toml").read_text())
    claimed = next(name for name in MODELS if load(name, ModelProfile).claim_of)
    models = _served(profiles=(claimed, str(tmp_path / "mine.toml"))).mocks.models
    assert set(models) == {*MODELS, "mine"}
    assert list(models)[-2:] == [claimed, "mine"]


def test_an_exchange_rate_can_be_named(tmp_path: Path) -> None:
    text = (FOLDER / "exchange.toml").read_text()
    rate = load("exchange", ExchangeProfile).rate.cny_per_usd
    (tmp_path / "dear.toml").write_text(text.replace(f"{rate:g}", "9.5"))
    assert _served(profiles=(str(tmp_path / "dear.toml"),)).mocks.cny_per_usd == 9.5


def test_a_capacity_is_everyones_or_ones() -> None:
    assert _slots(_served()) == {}
    everyone = _slots(_served(capacities=("8",)))
    assert set(everyone.values()) == {8}
    assert {"gpt-4o", "stripe", "wechat-ai"} <= set(everyone)
    assert _slots(_served(capacities=("gpt-4o=2",))) == {"gpt-4o": 2}
    assert _slots(_served(capacities=("8", "gpt-4o=2"))) == everyone | {"gpt-4o": 2}


def test_fingerprints_tell_a_changed_profile() -> None:
    shipped, limited = _served().fingerprints(), _served(capacities=("gpt-4o=2",)).fingerprints()
    assert {name for name in shipped if shipped[name] != limited[name]} == {"gpt-4o"}
    assert shipped["gpt-4o"] == fingerprint(load("gpt-4o", ModelProfile))


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[overhead\n")
    (tmp_path / "other.toml").write_text("[else]\n")
    problems = _problems(
        seed="x",
        profiles=(
            "nobody",
            "stripe",
            "stripe-list",
            f"{tmp_path}/broken.toml",
            f"{tmp_path}/other.toml",
        ),
        capacities=("0", "gpt-4o=many", "nobody=3"),
    )
    held = [
        "--seed must be a whole number",
        "--profile: unknown profile 'nobody': take ",
        "--profile: stripe and stripe-list are for the same; keep one",
        "--profile: broken.toml is not TOML",
        "--profile: other.toml: ",
        "--capacity must be a whole number from 1",
        "--capacity must be a whole number from 1",
        "--capacity: no profile 'nobody' is served; there are ",
    ]
    assert len(problems) == len(held)
    assert [text for text, problem in zip(held, problems, strict=True) if text not in problem] == []
    assert "gpt-4o" in problems[1] and "stripe" in problems[1]
