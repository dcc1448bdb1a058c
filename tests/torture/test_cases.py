"""A case and its text are the same thing; what is no case is told in one line."""

import pytest

from harness.faults import Placed
from harness.torture.cases import Away, Case, case_of, cut_to, smaller
from harness.torture.draw import Field, case_of_number
from harness.torture.reach import PROVIDERS, SCENARIOS

EVERYTHING = Field(SCENARIOS, tuple((name, name) for name in PROVIDERS))
TEXT = (
    "conversation/stripe/prewarm+token_cache/s17/t2/"
    "timeouts@0.pay,cancels@1.confirm#2*3,reset@1.query*2,away@1.900"
)
CASE = Case(
    "conversation",
    ("stripe",),
    "prewarm+token_cache",
    17,
    2,
    (
        Placed(0, "pay", "timeouts"),
        Placed(1, "confirm", "cancels", 2, 3),
        Placed(1, "query", "reset", 1, 2),
    ),
    (Away(1, 900),),
)


def read(text: str) -> Case:
    return case_of(text, SCENARIOS, PROVIDERS)


def test_a_case_is_written_in_one_line_and_read_back() -> None:
    assert str(CASE) == TEXT
    assert read(TEXT) == CASE


def test_blanks_around_it_do_not_matter() -> None:
    assert read(f" {TEXT}\n") == CASE


def test_a_case_without_faults_has_no_last_part() -> None:
    case = Case("checkout", ("stripe", "wechat-ai"), "baseline", 1, 1)
    assert str(case) == "checkout/stripe+wechat-ai/baseline/s1/t1"
    assert read(str(case)) == case


def test_every_case_that_is_drawn_is_read_back_as_it_was() -> None:
    for number in range(200):
        case = case_of_number(7, number, EVERYTHING)
        assert read(str(case)) == case


def test_the_order_in_which_faults_are_named_does_not_matter() -> None:
    shuffled = TEXT.replace("timeouts@0.pay,cancels", "cancels").replace(
        "reset@1.query*2,", "reset@1.query*2,timeouts@0.pay,"
    )
    assert read(shuffled) == CASE


GOOD = "checkout/flat/baseline/s1/t1/"
BAD = [
    ("checkout/flat/baseline/s1", "SCENARIO/PROFILES/STRATEGY/sSEED/tTURNS"),
    ("checkout/flat/baseline/s1/t1/x/y", "SCENARIO/PROFILES/STRATEGY/sSEED/tTURNS"),
    ("checkuot/flat/baseline/s1/t1", "no scenario 'checkuot'; take conversation"),
    ("checkout/paypal/baseline/s1/t1", "no payment profile 'paypal'"),
    ("checkout/flat+flat/baseline/s1/t1", "one payment profile, or two that differ"),
    ("checkout/flat/prewarm+x/s1/t1", "no strategy 'prewarm+x'"),
    ("checkout/flat/baseline/1/t1", "seed"),
    ("checkout/flat/baseline/s-1/t1", "seed"),
    ("checkout/flat/baseline/s1/t0", "turns must be from 1 to 9"),
    ("checkout/flat/baseline/s1/t99", "turns must be from 1 to 9"),
    (GOOD, "is not as in timeouts@0.pay"),
    (GOOD + "timeouts", "is not as in timeouts@0.pay"),
    (GOOD + "timeouts@0.pay#0", "is not as in timeouts@0.pay"),
    (GOOD + "timeouts@0.pay*x", "is not as in timeouts@0.pay"),
    (GOOD + "timeouts@0.pay,,", "is not as in timeouts@0.pay"),
    (GOOD + "away@0.0", "is not as in timeouts@0.pay"),
    (GOOD + "floods@0.pay", "no fault 'floods'; take lost"),
    (GOOD + "revoked@0.intent", "revoked cannot strike at 'intent'; it can at pay"),
    ("checkout/flat/baseline/s99999999999999999999/t1", "the seed must be from 0 to"),
    ("checkout/flat/baseline/s\uff11/t1", "the seed must be written as in s2"),
    (GOOD + "timeouts@1.pay", "is in turn 1, and the last is turn 0"),
    (GOOD + "timeouts@0.pay,timeouts@0.pay", "comes after another one like it"),
    ("tipping/flat/baseline/s1/t3/away@1.8000000,away@2.8000000", "may be away for 150 days"),
    ("tipping/flat/baseline/s1/t2/away@1.50,away@1.900", "comes after another one like it"),
]


@pytest.mark.parametrize(("text", "why"), BAD, ids=[text for text, _ in BAD])
def test_what_is_no_case_is_told_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ValueError) as told:
        read(text)
    assert why in str(told.value)
    assert "\n" not in str(told.value)


def test_each_step_is_simpler_and_can_be_written() -> None:
    for number in range(50):
        case = case_of_number(3, number, EVERYTHING)
        for less in smaller(case):
            assert less != case
            assert read(str(less)) == less


def test_no_step_leads_from_the_simplest() -> None:
    assert list(smaller(Case("checkout", ("flat",), "baseline", 1, 1))) == []


def test_cut_to_its_first_turns_a_case_keeps_what_happens_in_them() -> None:
    assert cut_to(CASE, 1) == Case(
        "conversation", ("stripe",), "prewarm+token_cache", 17, 1, (Placed(0, "pay", "timeouts"),)
    )
