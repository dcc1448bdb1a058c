"""Who would be asked in reality, and which command lines are refused: each in one line with its
mend, before anything is opened."""

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from msgspec import structs

from harness.cli.compare import compare
from harness.cli.estimate import most_turns
from harness.cli.exits import BadInput
from harness.cli.load import load
from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.targets import Real, Wanted, prices_of, run_prefix
from harness.flow.strategy import MITIGATIONS, Strategy, all_strategies
from harness.load.arrivals import poisson, until
from mocks.profile import ModelProfile, fingerprint, names
from mocks.profile import load as profile

OPENAI = {"OPENAI_API_KEY": "a-key"}
STRIPE = {"STRIPE_API_KEY": "sk_test_12345678"}
ANTHROPIC = {"ANTHROPIC_API_KEY": "sk-ant-12345678"}
FEW = {"turns": 20, "rate": "0.2"}


def real(environ: Mapping[str, str], turns: int = 20, **options: object) -> Real:
    """What a comparison of two strategies would ask."""
    wanted = Wanted(targets="real", environ=environ)
    wanted = replace(wanted, **options.pop("wanted", {}))  # type: ignore[arg-type]
    usual: dict[str, object] = {"rate": "0.2", "clock": "real"}
    found = checked(
        Options(wanted=wanted, **(usual | options)),  # type: ignore[arg-type]
        Problems(),
        all_strategies(["prewarm"]),
        turns=turns,
    )
    assert found.clock == "real"
    assert found.real is not None
    return found.real


def refused(environ: Mapping[str, str], **options: object) -> list[str]:
    with pytest.raises(BadInput) as told:
        real(environ, **options)  # type: ignore[arg-type]
    return list(told.value.problems)


def test_who_is_found_is_real_or_a_sandbox_and_everybody_else_is_a_mock() -> None:
    both = real(OPENAI | STRIPE, pay="stripe")
    assert {name: of.kind for name, of in both.targets.items()} == {
        "openai": "real",
        "stripe": "sandbox",
    }
    assert (both.endpoints, set(both.found)) == ("real", {"openai", "stripe"})
    one = real(OPENAI)
    assert {name: of.kind for name, of in one.targets.items()} == {
        "openai": "real",
        "wechat-ai": "mock",
    }
    assert (one.endpoints, set(one.found)) == ("mixed", {"openai"})
    assert one.targets["wechat-ai"].why == "there is no such provider but the mock"


def test_nobody_is_asked_whom_the_run_does_not_need() -> None:
    assert set(real(OPENAI | STRIPE | ANTHROPIC).found) == {"openai"}


def test_models_behind_a_gateway_are_its_to_ask() -> None:
    behind = real(OPENAI | {"TOKENMIX_API_KEY": "another"}, gateway="tokenmix")
    assert set(behind.targets) == {"tokenmix", "wechat-ai"}
    assert set(behind.found) == {"tokenmix"}


def test_what_is_sent_is_estimated_for_each_who_is_real() -> None:
    models, orders = real(OPENAI | STRIPE, pay="stripe").expected
    # Two strategies of 20 turns, and one more of each to warm up.
    assert (models.provider, models.requests, models.orders) == ("openai", 84, 0)
    assert (orders.provider, orders.orders, orders.requests) == ("stripe", 42, 126)
    assert models.per_s == pytest.approx(0.4)
    assert 0.05 < models.usd < 0.3
    assert orders.usd == 0


def test_a_shared_bill_is_an_order_for_each_of_the_most_people() -> None:
    _, orders = real(OPENAI | STRIPE, turns=4, scenario="split_bill", pay="stripe").expected
    assert (orders.orders, orders.requests_per_turn) == (60, 6)


def test_prices_are_by_the_ids_on_the_wire() -> None:
    models = {name: profile(name, ModelProfile) for name in ("gpt-4o", "claude-haiku-4-5")}
    assert prices_of(models) == {
        "gpt-4o": (2.5, 10.0),
        "claude-haiku-4-5-20251001": (1.0, 5.0),
    }


def test_no_two_runs_begin_their_order_numbers_alike() -> None:
    assert run_prefix(lambda: 1_795_000_000.9, b"\0\1") == "ttop2v40001"
    drawn = {run_prefix(lambda: 1_795_000_000.0, bytes(luck)) for luck in ((0, 1), (255, 255))}
    assert len(drawn) == 2
    assert all(re.fullmatch("[0-9a-z]{10,12}", prefix) for prefix in drawn)


def test_nothing_that_is_told_of_the_options_holds_a_key() -> None:
    wanted = Wanted(targets="real", environ=OPENAI | STRIPE)
    told = f"{wanted!r} {real(OPENAI | STRIPE, pay='stripe')!r}"
    assert "a-key" not in told
    assert "sk_test" not in told


REFUSED: list[tuple[str, Mapping[str, str], dict[str, object], str]] = [
    ("nobody", {}, {}, "(openai: set OPENAI_API_KEY; wechat-ai: there is no such provider but"),
    ("a live key", {"STRIPE_API_KEY": "sk_live_12345678"}, {"pay": "stripe"}, "a live key of"),
    ("a live key beside one that is good", OPENAI | {"STRIPE_API_KEY": "sk_live_12345678"},
     {"pay": "stripe"}, "--targets real: stripe: STRIPE_API_KEY is a live key of Stripe's"),
    ("the virtual clock", OPENAI, {"clock": "virtual"}, "--clock virtual: real providers answer"),
    ("a retired model", ANTHROPIC, {"models": {"intent": "claude-3-5-haiku"}},
     "claude-3-5-haiku-20241022 was retired on 2026-02-19, so only a mock answers as it; take "
     "--intent claude-haiku-4-5"),
    ("a model that never was", ANTHROPIC, {"models": {"confirm": "claude-3-5-opus"}},
     "--confirm claude-3-5-opus: no API serves it, so only a mock answers as it; take --confirm "),
    ("more orders than may be", STRIPE, {"pay": "stripe", "turns": 200},
     "stripe: 402 orders would be made, and the most is 200: take fewer turns, or allow more "
     "with --most-orders"),
    ("more orders than were allowed", OPENAI | STRIPE,
     {"pay": "stripe", "wanted": {"most_orders": "10"}}, "42 orders would be made"),
    ("a load test of a sandbox", STRIPE, {"pay": "stripe", "rate": "20"},
     "stripe: 20 requests/s, and no payment provider's test system is asked more than 5 times a "
     "second (load tests are for mocks): take --rate 5 or less"),
    ("more dollars than may be", OPENAI, {"wanted": {"most_spend_usd": "0.01"}},
     "the most is 0.01: take fewer turns or a cheaper model, or allow more with --most-spend-usd"),
    ("more requests than may be", OPENAI,
     {"turns": 2000, "wanted": {"most_spend_usd": "100"}}, "and the most is 5,000"),
    ("dollars without end", OPENAI, {"wanted": {"most_spend_usd": "inf"}}, "from 0 to 100"),
    ("orders without end", OPENAI, {"wanted": {"most_orders": "2001"}}, "from 1 to 2,000"),
    ("WeChat Pay without its flag", {}, {"pay": "wechatpay"}, "wechatpay: set WECHATPAY_MCHID"),
    ("a real gateway told what to fall back to", {"TOKENMIX_API_KEY": "a-key"},
     {"gateway": "tokenmix", "fallback": "claude-haiku-4-5"},
     "--fallback claude-haiku-4-5: what a real gateway falls back to is set up there"),
    ("targets nobody knows", OPENAI, {"wanted": {"targets": "moon"}}, "mock or real, not 'moon'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("environ", "options", "mend"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_what_cannot_be_is_one_line_with_its_mend(
    environ: Mapping[str, str], options: dict[str, object], mend: str
) -> None:
    (line,) = refused(environ, **options)
    assert mend in line
    assert "\n" not in line
    assert not any(value in line for value in environ.values())


def test_a_retired_model_may_be_played_by_its_mock() -> None:
    found = real(OPENAI, models={"confirm": "claude-3-5-haiku"})
    assert found.targets["anthropic"].kind == "mock"


def test_a_load_of_real_models_beside_a_mocked_payment_is_held_by_dollars_alone() -> None:
    assert real(OPENAI, rate="50").endpoints == "mixed"


def test_a_model_without_a_price_is_not_asked(tmp_path: object) -> None:
    path = f"{tmp_path}/mine.toml"
    with open(path, "w") as file:
        file.write(
            'provider = "openai"\n[latency]\nttft_p50_ms = 5.0\nttft_p99_ms = 9.0\n'
            'tokens_per_s = 80.0\nprovenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
        )
    (line,) = refused(OPENAI, models={"intent": path, "confirm": path}, turns=20)[:1]
    assert line == "--intent mine: its profile has no [price], so no cap could hold it: add one"


@pytest.mark.parametrize(
    ("options", "mend"),
    [
        ({"live_wechat_orders": True}, "--live-wechat-orders is for --targets real"),
        ({"most_orders": "5"}, "--most-orders is for --targets real"),
        ({"most_spend_usd": "5"}, "--most-spend-usd is for --targets real"),
    ],
    ids=["live orders", "orders", "dollars"],
)
def test_what_goes_with_real_targets_does_not_go_alone(
    options: dict[str, object], mend: str
) -> None:
    with pytest.raises(BadInput) as told:
        checked(
            Options(wanted=Wanted(**options)),  # type: ignore[arg-type]
            Problems(),
            [Strategy()],
            turns=2,
        )
    (line,) = told.value.problems
    assert mend in line


def test_what_no_real_provider_does_is_refused_by_every_verb(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    with pytest.raises(BadInput, match="--workers 2: what real providers are asked is counted"):
        load("checkout", rate="1", duration="1", workers="2", targets="real")
    with pytest.raises(BadInput, match='"load http" asks whom --url names'):
        load("http", rate="1", duration="1", url="http://127.0.0.1:1/", targets="real")
    with pytest.raises(BadInput, match="--sweep-session-share sweeps what mocks do"):
        compare(sweep_session_share=True, targets="real")
    with pytest.raises(BadInput, match="--clock virtual"):
        compare(clock="virtual", targets="real")


def test_all_that_is_wrong_is_told_at_once() -> None:
    wanted = {"most_orders": "x"}
    lines = refused({}, seed="x", pay="stripe", wanted=wanted)
    assert [line.split(" ")[0] for line in lines] == ["--seed", "--most-orders", "--targets"]


def test_all_mitigations_are_within_the_usual_caps() -> None:
    strategies = all_strategies(MITIGATIONS)
    wanted = Wanted(targets="real", environ=OPENAI | STRIPE)
    options = Options(wanted=wanted, clock="real", rate="0.2", pay="stripe")
    assert checked(options, Problems(), strategies, turns=20).real is not None


def test_what_takes_the_place_of_a_model_lives_and_is_its_providers() -> None:
    models = {name: profile(name, ModelProfile) for name in names(ModelProfile)}
    gone = {name: of for name, of in models.items() if of.instead}
    assert "claude-3-5-haiku" in gone
    for name, of in gone.items():
        living = models[of.instead]
        assert (living.instead, living.provider) == ("", of.provider), name
        assert fingerprint(of) == fingerprint(structs.replace(of, instead="", retired=None))


def test_arrivals_at_random_are_hardly_ever_more_than_what_is_reckoned_with() -> None:
    assert most_turns(5.0, 0.2, 1) == 6
    for rate, duration_s, turns_each in ((0.2, 200.0, 1), (5.0, 20.0, 6), (50.0, 10.0, 8)):
        drawn = [
            turns_each * len(list(until(poisson(seed, "o", rate=rate / turns_each), duration_s)))
            for seed in range(200)
        ]
        most = most_turns(rate, duration_s, turns_each)
        assert max(drawn) < most < 3 * rate * duration_s


@pytest.mark.parametrize("people", range(2, 9))
@pytest.mark.parametrize("pay", ["stripe", "stripe,flat"])
def test_the_rate_that_is_offered_is_one_that_may_be(people: int, pay: str) -> None:
    pays = pay.split(",")
    wanted = Wanted(targets="real", environ=STRIPE)

    def problems(rate: str) -> list[str]:
        try:
            checked(
                Options(
                    wanted=wanted, clock="real", rate=rate, pay=pay, scenario="split_bill",
                    parameters=[f"people_max={people}"],
                ),
                Problems(), [Strategy()], pays=pays if len(pays) > 1 else [], turns=1,
            )  # fmt: skip
        except BadInput as error:
            return list(error.problems)
        return []

    (line,) = problems("90")
    offered = re.search(r"take --rate (\S+) or less", line)
    assert offered and problems(offered[1]) == []
    assert problems(f"{1.02 * float(offered[1])}")
