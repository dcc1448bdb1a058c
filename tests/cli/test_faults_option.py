"""`--faults`, `--retries` and `--patience`: what they mean, and every mistake with its mend."""

import pytest

from harness.cli.asked import Asked, setup_of
from harness.cli.exits import BadInput
from harness.cli.outcome import run_of
from harness.cli.problems import Problems
from harness.cli.setup import Options, checked
from harness.cli.targets import Wanted
from harness.cli.wiring import Setup
from harness.faults import FAULTS, USERS, Fault
from harness.flow.strategy import Strategy


def problems_of(text: str) -> list[str]:
    problems = Problems()
    problems.faults("--faults", text)
    with pytest.raises(BadInput) as found:
        problems.settle()
    return found.value.problems


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        (None, {}),
        ("timeouts=1%", {"timeouts": 0.01}),
        ("timeouts=0.01", {"timeouts": 0.01}),
        (" reset = 0.5% , timeouts=100% ,", {"timeouts": 1.0, "reset": 0.005}),
        ("notices-lost=1", {"notices-lost": 1.0}),
    ],
)
def test_shares_are_percentages_or_parts_of_one(text: str | None, shares: object) -> None:
    assert Problems().faults("--faults", text) == shares


def test_the_order_in_which_they_are_written_is_none_of_theirs() -> None:
    read = Problems().faults("--faults", "reset=1%,lost=1%,timeouts=2%")
    assert list(read) == ["lost", "timeouts", "reset"]


def test_all_mistakes_are_told_at_once() -> None:
    assert problems_of("resets=1%,timeouts=,cut=0,lost=2,late=x%,late=1%,loss=1%") == [
        "--faults timeouts must be a share above 0 and up to 100%, as 1% or 0.01, not ''",
        "--faults cut must be a share above 0 and up to 100%, as 1% or 0.01, not '0'",
        "--faults lost must be a share above 0 and up to 100%, as 1% or 0.01, not '2'",
        "--faults late must be a share above 0 and up to 100%, as 1% or 0.01, not 'x%'",
        "--faults names late twice: keep one",
        f"--faults: unknown fault 'resets', 'loss'; take {', '.join(FAULTS)}",
    ]
    assert problems_of(" , ") == [
        "--faults names no fault; write them as in timeouts=1%,reset=0.5%"
    ]


def test_what_is_no_number_is_no_share() -> None:
    assert len(problems_of("lost=nan,cut=-1%,reset=inf")) == 3


def setup(**options: object) -> Setup:
    return checked(
        Options(scenario="checkout", **options),  # type: ignore[arg-type]  # options by their names
        Problems(),
        [Strategy()],
        rounds=1,
        turns=1,
    )


def test_with_faults_calls_are_sent_again_unless_told_otherwise() -> None:
    assert (setup().retries, setup(faults="lost=1%").retries) == (0, 2)
    assert (setup(retries="5").retries, setup(faults="lost=1%", retries="0").retries) == (5, 0)
    assert (setup().patience_s, setup(patience="2.5").patience_s) == (30.0, 2.5)


def test_a_run_tells_its_faults_and_how_its_agent_meets_them() -> None:
    plain, faulty = run_of(setup(), "checkout"), run_of(setup(faults="lost=1%"), "checkout")
    assert (plain.faults, faulty.faults) == ({}, {"lost": 0.01})
    assert "retries" not in plain.parameters
    assert faulty.parameters["retries"] == 2
    assert run_of(setup(patience="3"), "checkout").parameters["patience_s"] == 3.0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retries": "21"}, "--retries must be a whole number from 0 to 20, not '21'"),
        ({"patience": "0"}, "--patience must be a number from 0.001 to 3,600, not '0'"),
        (
            {"faults": "lost=1%", "wanted": Wanted(targets="real")},
            "--faults is what mocks do: it is not for --targets real; leave it out",
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(BadInput) as found:
        setup(**options)
    assert told in found.value.problems


def problems_with(**options: object) -> list[str]:
    with pytest.raises(BadInput) as found:
        setup(**options)
    return found.value.problems


def test_what_can_never_strike_whoever_is_paid_by_is_refused_with_all_else() -> None:
    assert problems_with(pay="stripe", faults="skew=50%,revoked=1%,lost=2", retries="x") == [
        "--faults skew strikes only at alipay-v3 and wechatpay: take one of them with --pay, or "
        "leave it out",
        "--faults revoked strikes only at wechat-ai and unionpay-ai: take one of them with --pay, "
        "or leave it out",
        "--faults lost must be a share above 0 and up to 100%, as 1% or 0.01, not '2'",
        "--retries must be a whole number from 0 to 20, not 'x'",
    ]


@pytest.mark.parametrize("pay", ["wechatpay", "stripe+alipay-v3"])
def test_one_lane_that_it_can_strike_is_enough(pay: str) -> None:
    assert setup(pay=pay, faults="skew=50%").mocks.faults == {"skew": 0.5}


def test_of_an_unknown_payer_nothing_is_said_twice() -> None:
    told = problems_with(pay="nobody", faults="skew=50%")
    assert [line for line in told if line.startswith("--faults")] == []


@pytest.mark.parametrize("fault", USERS)
def test_mocks_that_are_served_have_no_user(fault: Fault) -> None:
    assert problems_of(f"{fault}=1%") == [
        f"--faults {fault} is what a user does, and mocks have none: leave it out"
    ]


def test_locust_s_options_mean_the_same() -> None:
    made = setup_of(Asked(scenario="checkout", faults="lost=1%,reset=2%", patience="4"))
    assert made.mocks.faults == {"lost": 0.01, "reset": 0.02}
    assert (made.retries, made.patience_s) == (2, 4.0)


def test_what_is_served_by_others_is_not_ours_to_break() -> None:
    asked = Asked(
        scenario="checkout", targets="staging", host="http://127.0.0.1:9", faults="lost=1%"
    )
    with pytest.raises(BadInput) as found:
        setup_of(asked)
    assert [line for line in found.value.problems if line.startswith("--faults")]
