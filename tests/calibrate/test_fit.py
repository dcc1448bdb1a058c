"""Samples become parts: which stage is which figure, what is left out, and what cannot be told."""

from collections.abc import Sequence

import numpy as np
import pytest

from harness.calibrate.fit import Unfit, chosen, each_draw_once, model_parts, payment_parts
from harness.calibrate.samples import Sample
from harness.laws import Lognormal

PAY = Lognormal(0.3, 0.8)
OPENING = Lognormal(0.2, 0.5)
FIRST = Lognormal(0.5, 1.5)


def calls(
    stage: str = "pay", law: Lognormal = PAY, n: int = 60, *, provider: str = "flat",
    fresh: bool = False,
) -> list[Sample]:  # fmt: skip
    return [
        Sample(stage=stage, provider=provider, first_token_s=took, total_s=took, fresh=fresh)
        for took in _times(law, n)
    ]


def streams(
    n: int = 60, tokens: int | None = 40, stage: str = "intent", per_token_s: float = 0.02
) -> list[Sample]:
    return [
        Sample(
            stage=stage,
            provider="openai",
            model="gpt-4o",
            first_token_s=took,
            total_s=took + (tokens or 40) * per_token_s,
            completion_tokens=tokens,
        )
        for took in _times(FIRST, n)
    ]


def _times(law: Lognormal, n: int) -> Sequence[float]:
    times = [law.quantile((k + 0.5) / n) for k in range(n)]
    order: list[int] = np.random.default_rng(1).permutation(n).tolist()
    return [times[k] for k in order]


# Payments


def test_a_payments_stages_are_known_by_name() -> None:
    parts = payment_parts([*calls(), *calls("session", OPENING), *calls("key", OPENING)])
    assert [part.times for part in parts.found] == ["transaction", "session", "key"]
    pay = parts.of("transaction")
    assert pay is not None and pay.stages == ("pay",)
    assert pay.fit.law.quantile(0.5) == pytest.approx(0.3, rel=0.01)


def test_the_only_stage_that_there_is_is_the_payment_whatever_its_name() -> None:
    assert payment_parts(calls("payment_intents")).found[0].stages == ("payment_intents",)
    assert payment_parts(calls("")).found[0].times == "transaction"


def test_other_stages_are_left_out_and_told() -> None:
    parts = payment_parts([*calls(), *calls("query"), *calls("refund")])
    assert len(parts.found) == 1
    assert parts.notes == ("left out, as nothing says what they are: query, refund",)


def test_a_stage_is_what_the_user_says_it_is() -> None:
    samples = [*calls("charge"), *calls("login", OPENING), *calls("query")]
    parts = payment_parts(samples, {"charge": "overhead", "login": "session"})
    assert {part.times: part.stages for part in parts.found} == {
        "transaction": ("charge",),
        "session": ("login",),
    }


def test_two_unknown_stages_are_not_guessed_between() -> None:
    with pytest.raises(Unfit, match=r"--stage NAME=overhead, of charge, login"):
        payment_parts([*calls("charge"), *calls("login")])


def test_calls_that_opened_a_connection_are_left_out_where_others_are_enough() -> None:
    mixed = [*calls(), *calls(law=Lognormal(3.0, 4.0), n=20, fresh=True)]
    parts = payment_parts(mixed)
    assert parts.found[0].fit.n == 60
    assert parts.notes == ("transaction: 20 calls on connections just opened are left out",)


def test_where_nearly_all_opened_a_connection_that_is_told_instead() -> None:
    parts = payment_parts([*calls(n=10), *calls(n=50, fresh=True)])
    assert parts.found[0].fit.n == 60
    assert parts.notes == ("transaction: 50 of 60 calls hold the opening of a connection",)


def test_too_few_payments_are_told_with_their_number() -> None:
    with pytest.raises(Unfit, match="7 calls are too few"):
        payment_parts(calls(n=7))


def test_calls_of_no_time_are_left_out() -> None:
    at_once = Sample(stage="pay", provider="flat", first_token_s=0.0, total_s=0.0)
    parts = payment_parts([*calls(), at_once])
    assert parts.found[0].fit.n == 60 and "no time at all" in parts.notes[0]


@pytest.mark.parametrize("total_s", [1e-12, 90_000.0, 1e300])
def test_calls_whose_time_cannot_be_are_left_out(total_s: float) -> None:
    strange = Sample(stage="pay", provider="flat", first_token_s=total_s, total_s=total_s)
    parts = payment_parts([*calls(), strange])
    assert parts.found[0].fit.n == 60
    assert parts.notes == ("transaction: left out as of no time at all, or over a day: 1",)


def test_times_in_several_units_have_no_law() -> None:
    mixed = [*calls(law=Lognormal(2e-6, 3e-6), n=80), *calls(law=Lognormal(3e4, 6e4))]
    with pytest.raises(Unfit, match="in one unit"):
        payment_parts(mixed)


# Models


def test_a_stream_tells_its_first_token_and_its_rate() -> None:
    parts = model_parts(streams())
    first, token = parts.of("first token"), parts.of("time a token")
    assert first and token and parts.notes == ()
    assert first.fit.law.quantile(0.5) == pytest.approx(0.5, rel=0.01)
    assert token.fit.law.quantile(0.5) == pytest.approx(0.02, rel=1e-6)


def test_without_tokens_there_is_no_rate() -> None:
    parts = model_parts(streams(tokens=None))
    assert [part.times for part in parts.found] == ["first token"]
    assert "no rate is told" in parts.notes[0]


def test_without_streams_there_is_only_the_whole_answer() -> None:
    parts = model_parts(calls("intent", provider="openai"))
    assert [part.times for part in parts.found] == ["whole answer"]
    assert "stands for the first token's" in parts.notes[0]


def test_short_answers_say_nothing_of_a_rate_where_there_are_long_ones() -> None:
    hasty = streams(20, tokens=2, per_token_s=0.5)
    token = model_parts([*streams(), *hasty]).of("time a token")
    assert token is not None and token.fit.n == 60
    only = model_parts(hasty).of("time a token")
    assert only is not None and only.fit.law.quantile(0.5) == pytest.approx(0.5)


def test_more_tokens_than_there_can_be_say_nothing_of_a_rate() -> None:
    token = model_parts([*streams(), *streams(20, tokens=10**12, per_token_s=1e-12)]).of(
        "time a token"
    )
    assert token is not None and token.fit.n == 60


def test_answers_that_were_no_streams_are_left_out_beside_those_that_were() -> None:
    parts = model_parts([*streams(), *calls("intent", provider="openai", n=9)])
    assert parts.found[0].fit.n == 60 and parts.notes == (
        "9 calls were no streams, and are left out",
    )


def test_only_the_stages_asked_for_are_taken() -> None:
    samples = [*streams(30, stage="intent"), *streams(40, stage="confirm")]
    assert model_parts(samples).found[0].fit.n == 70
    assert model_parts(samples, ["confirm"]).found[0].fit.n == 40


# Whose calls


def test_what_names_nobody_is_whose_the_user_says() -> None:
    assert len(chosen(calls(provider=""), "stripe", None)) == 60
    mixed = [*calls(provider=""), *calls(provider="stripe")]
    assert len(chosen(mixed, "stripe", None)) == 120


def test_of_several_one_must_be_named() -> None:
    mixed = [*calls(), *calls(provider="stripe", n=9), *streams()]
    with pytest.raises(Unfit, match=r"flat \(60\), openai gpt-4o \(60\), stripe \(9\)"):
        chosen(mixed, None, None)
    assert len(chosen(mixed, "stripe", None)) == 9
    assert len(chosen(mixed, "openai", None)) == 60


def test_whom_nobody_called_is_told_with_those_that_were() -> None:
    with pytest.raises(Unfit, match=r"there are flat \(60\)"):
        chosen(calls(), "stripe", None)


def test_a_draw_that_several_strategies_met_counts_once() -> None:
    once, again = each_draw_once([*calls(), *calls(), *calls("query")])
    assert (len(once), again) == (120, 60)
