"""Choosing who plays: payment providers, models in their roles, gateways and capacity."""

import json
from pathlib import Path

import pytest

from harness.cli.exits import BadInput
from harness.cli.options import STORIES
from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.wiring import Setup
from harness.flow.strategy import Strategy
from mocks.figures import Outage
from scenarios import SCENARIOS
from tests.cli.command import tollbench

QUICK = ("--flows", "24", "--rounds", "4", "--jobs", "1")


def setup(**options: object) -> Setup:
    return checked(Options(**options), Problems(), [Strategy()], turns=4)  # type: ignore[arg-type]


def problems(**options: object) -> list[str]:
    with pytest.raises(BadInput) as told:
        setup(**options)
    return list(told.value.problems)


def test_help_names_every_story() -> None:
    assert STORIES.split(", ") == list(SCENARIOS)


def test_a_scenario_brings_the_roles_that_it_needs_and_no_others() -> None:
    assert dict(setup().speaking.roles) == {"intent": "gpt-4o", "confirm": "gpt-4o"}
    assert setup(scenario="refund").speaking.roles["reason"] == "claude-3-5-sonnet"
    assert setup(scenario="fraud_checked").speaking.roles["score"] == "mistral-small"


def test_a_role_may_be_played_by_another_model() -> None:
    chosen = setup(scenario="fraud_checked", models={"score": "gpt-4o-mini", "intent": "qwen-plus"})
    assert chosen.speaking.roles["score"] == "gpt-4o-mini"
    assert {"gpt-4o-mini", "qwen-plus", "gpt-4o"} == set(chosen.mocks.models)


def test_what_a_scenario_is_about_is_played_unless_another_is_named() -> None:
    assert setup(scenario="routed").variants[0].lanes == ("flat", "wechat-ai")
    assert setup(scenario="routed", pay="stripe").variants[0].lanes == ("stripe",)
    failover = setup(scenario="failover")
    assert set(failover.mocks.gateways) == {"litellm"}
    assert failover.mocks.fallbacks == {"gpt-4o": "claude-3-5-haiku"}
    assert failover.mocks.outages == [Outage("openai", 10.0, 15.0)]
    direct = setup(scenario="failover", gateway="none")
    assert (direct.mocks.gateways, direct.mocks.fallbacks) == ({}, {})
    assert direct.mocks.outages == failover.mocks.outages


def test_capacity_is_that_of_every_server_of_the_run() -> None:
    mocks = setup(capacity="3", gateway="portkey").mocks
    limits = [of.limits for of in mocks.pay.values()]
    limits += [of.limits for of in mocks.models.values()]
    limits += [of.limits for of in mocks.gateways.values()]
    assert [of.slots for of in limits if of] == [3, 3, 3]


def test_token_prices_are_in_millionths_of_a_cny() -> None:
    speaking = setup().speaking
    models = speaking.models_at({"openai": None})  # type: ignore[dict-item]
    # 2.50 and 10 dollars for a million tokens, at 7.1 CNY a dollar.
    assert (models.intent.prompt_micro, models.intent.completion_micro) == (17.75, 71.0)


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        ({"pay": "gpt-4o"}, ("--pay", "is a model", "stripe")),
        ({"pay": "flat+bogus"}, ("--pay", "'bogus'", "wechat-ai")),
        ({"models": {"intent": "stripe"}}, ("--intent", "is a payment profile", "gpt-4o")),
        ({"models": {"score": "litellm"}}, ("--score", "is a gateway", "mistral-small")),
        ({"gateway": "gpt-4o"}, ("--gateway", "is a model", "openrouter")),
        ({"gateway": "bogus"}, ("--gateway", "'bogus'", "litellm")),
        ({"fallback": "gpt-4o-mini"}, ("--fallback", "--gateway")),
        ({"capacity": "0"}, ("--capacity", "from 1 to")),
        ({"capacity": "many"}, ("--capacity", "whole number")),
        ({"models": {"intent": "exchange"}}, ("--intent", "exchange.toml", "field")),
    ],
)
def test_a_wrong_choice_is_told_with_its_mend(
    options: dict[str, object], mend: tuple[str, ...]
) -> None:
    (line,) = problems(**options)
    assert all(word in line for word in mend)


def test_all_wrong_choices_are_told_at_once() -> None:
    told = problems(pay="x", models={"intent": "y", "confirm": "z"}, gateway="g", capacity="-1")
    assert [line.split(":")[0].split(" ")[0] for line in told] == [
        "--pay", "--intent", "--confirm", "--gateway", "--capacity",
    ]  # fmt: skip


# Across providers


@pytest.mark.thorough
def test_providers_are_compared_under_one_strategy(tmp_path: Path) -> None:
    choice = ("--pay", "flat,stripe,stripe-list,flat+wechat-ai", "--strategy", "prewarm")
    args = ("compare", "routed", "--providers", *choice, *QUICK, "--json")
    done = tollbench(*args, cwd=tmp_path, report=True)
    assert done.code == 0, done.err
    run = json.loads(done.out)
    names = [variant["name"] for variant in run["variants"]]
    assert names == ["flat", "stripe", "stripe-list", "flat+wechat-ai"]
    assert all(variant["prewarm"] for variant in run["variants"])
    assert run["effects"] == []
    fees = {variant["name"]: variant["fee_minor_mean"] for variant in run["variants"]}
    assert fees["stripe-list"] > fees["stripe"] > fees["flat"]
    same = {
        name: [v["p50_ms"] for v in run["variants"] if v["name"] == name]
        for name in ("stripe", "stripe-list")
    }
    assert same["stripe"] == same["stripe-list"]  # Another fee is no other weather.
    charts = {path.name for path in done.latest.glob("*.png")}
    assert "fees.png" in charts and not charts & {"effects.png", "attribution.png"}
