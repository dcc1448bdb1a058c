"""Which faults strike which call: by shares that are met, by keys alone, and placed one by one."""

import math
from collections.abc import Sequence

import pytest

from harness.faults import (
    ANYBODYS,
    BURSTING,
    CALL_STAGES,
    FAULTS,
    MOST_BURST,
    ONLY_AT,
    SESSIONS,
    STAGES,
    USERS,
    Fault,
    Placed,
    Script,
    Shares,
    can_strike,
)
from harness.providers.told import DrawKey

SEED = 5
CALLS = 1000


def _keys(stage: str, calls: int = CALLS, attempt: int = 1) -> list[DrawKey]:
    return [DrawKey(n // 1000, n // 10 % 100, n % 10, stage, attempt) for n in range(calls)]


def _struck(shares: Shares, keys: Sequence[DrawKey], provider: str = "stripe") -> list[DrawKey]:
    return [key for key in keys if shares.at(provider, key)]


def _near(count: int, calls: int, share: float) -> bool:
    """Within five deviations of what so many calls with that share come to."""
    return abs(count - calls * share) <= 5 * math.sqrt(calls * share * (1 - share)) + 1


def test_every_fault_has_its_stages_and_those_of_network_and_service_have_all() -> None:
    assert set(STAGES) == set(FAULTS)
    assert all(STAGES[fault] and set(STAGES[fault]) <= set(CALL_STAGES) for fault in FAULTS)
    assert all(STAGES[fault] == CALL_STAGES for fault in ANYBODYS)
    assert set(BURSTING) <= set(ANYBODYS) and not set(USERS) & set(ANYBODYS)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_share_is_met_in_the_stages_of_its_fault_and_nowhere_else(fault: Fault) -> None:
    shares = Shares(SEED, {fault: 0.1})
    stage, provider = STAGES[fault][0], ONLY_AT.get(fault, ("stripe",))[0]
    assert _near(len(_struck(shares, _keys(stage), provider)), CALLS, 0.1)
    for other in set(CALL_STAGES) - set(STAGES[fault]):
        assert _struck(shares, _keys(other, 100), provider) == []


@pytest.mark.parametrize("fault", sorted(set(ONLY_AT) - set(USERS)))
def test_a_fault_spares_providers_that_have_nothing_that_it_breaks(fault: Fault) -> None:
    shares = Shares(SEED, {fault: 1.0}, {"stripe": {fault: 1.0}})
    assert _struck(shares, _keys(STAGES[fault][0], 10), "stripe") == []


def test_what_a_user_does_to_a_session_is_done_while_a_model_is_called() -> None:
    assert ONLY_AT["storms"] == SESSIONS
    assert len(_struck(Shares(SEED, {"storms": 1.0}), _keys("intent", 10), "openai")) == 10


def test_a_user_can_cancel_in_every_call_that_is_waited_for() -> None:
    assert set(CALL_STAGES) - set(STAGES["cancels"]) == {"close"}


@pytest.mark.parametrize("share", [1e-9, 0.01, 0.5, 0.99, 1.0])
def test_a_share_may_be_any(share: float) -> None:
    assert _near(len(_struck(Shares(SEED, {"lost": share}), _keys("pay"))), CALLS, share)


def test_a_call_is_struck_by_what_it_is_and_not_by_when_it_comes_or_what_else_may_strike() -> None:
    keys = _keys("pay", 500)
    alone = _struck(Shares(SEED, {"cut": 0.2}), keys)
    again = Shares(SEED, {"late": 0.7, "cut": 0.2, "errors": 0.3})
    assert [key for key in reversed(keys) if "cut" in again.at("flat", key)] == alone[::-1]
    assert _struck(Shares(SEED + 1, {"cut": 0.2}), keys) != alone
    for other in (_keys("query", 500), _keys("pay", 500, attempt=2)):
        places = [(of.round, of.conversation, of.turn) for of in _struck(again, other)]
        assert places != [(of.round, of.conversation, of.turn) for of in alone]


def test_what_strikes_together_is_told_in_the_order_of_the_faults() -> None:
    backwards = {fault: 1.0 for fault in reversed(FAULTS)}
    (key,) = _keys("pay", 1)
    struck = Shares(SEED, backwards).at("stripe", key)
    assert struck == [of for of in FAULTS if "pay" in STAGES[of] and of not in ONLY_AT]
    placed = [Placed(0, "pay", fault) for fault in reversed(struck)]
    assert Script(placed).at("stripe", key) == struck


def test_a_providers_own_shares_hold_in_place_of_those_of_all() -> None:
    (key,) = _keys("pay", 1)
    shares = Shares(SEED, {"lost": 1.0, "cut": 1.0}, {"flat": {"lost": 0.0, "reset": 1.0}})
    assert shares.at("flat", key) == ["reset", "cut"]
    assert shares.at("stripe", key) == ["lost", "cut"]


# Bursts


@pytest.mark.parametrize("fault", BURSTING)
def test_a_burst_lasts_one_to_three_tries_each_as_often(fault: Fault) -> None:
    shares = Shares(SEED, {fault: 0.02})
    begun = _struck(shares, _keys("pay", 8_000))
    assert _near(len(begun), 8_000, 0.02)
    lasting = [
        sum(1 for _ in _in_a_row(shares, key)) for key in begun if not _meets_another(shares, key)
    ]
    assert set(lasting) == set(range(1, MOST_BURST + 1))
    for tries in set(lasting):
        assert _near(lasting.count(tries), len(lasting), 1 / MOST_BURST)


def _in_a_row(shares: Shares, key: DrawKey) -> Sequence[int]:
    tries = []
    for attempt in range(1, 10):
        if not shares.at("stripe", _try(key, attempt)):
            break
        tries.append(attempt)
    return tries


def _meets_another(shares: Shares, key: DrawKey) -> bool:
    """Whether a further burst begins within the first one, or right after it."""
    struck = [attempt for attempt in range(1, 10) if shares.at("stripe", _try(key, attempt))]
    return struck[-1] > MOST_BURST


def _try(key: DrawKey, attempt: int) -> DrawKey:
    return DrawKey(key.round, key.conversation, key.turn, key.stage, attempt)


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - set(BURSTING)))
def test_other_faults_strike_each_try_by_itself(fault: Fault) -> None:
    shares = Shares(SEED, {fault: 0.3})
    stage = STAGES[fault][0]
    again = [_try(key, 2) for key in _struck(shares, _keys(stage))]
    assert _near(len(_struck(shares, again)), len(again), 0.3)


# Clients that name no draw


@pytest.mark.parametrize("stage", ["foreign", "stripe/payment_intents", "http"])
def test_a_stage_that_nobody_knows_meets_what_can_meet_anybody(stage: str) -> None:
    assert [fault for fault in FAULTS if can_strike(fault, stage)] == list(ANYBODYS)
    shares = Shares(SEED, dict.fromkeys(FAULTS, 1.0))
    assert shares.at("stripe", DrawKey(-1, 0, 0, stage, 1)) == list(ANYBODYS)


# Placed one by one


def test_a_placed_fault_strikes_its_call_and_as_many_tries_after_it_as_it_lasts() -> None:
    script = Script([Placed(2, "pay", "errors", attempt=2, lasts=2)])
    for turn, stage, attempts in ((2, "pay", [2, 3]), (1, "pay", []), (2, "query", [])):
        keys = [DrawKey(0, 7, turn, stage, attempt) for attempt in range(1, 6)]
        assert [key.attempt for key in keys if script.at("stripe", key)] == attempts


def test_a_fault_that_is_placed_twice_strikes_a_call_once() -> None:
    script = Script([Placed(0, "intent", "repeats", lasts=3), Placed(0, "intent", "repeats", 2)])
    told = [script.at("openai", DrawKey(0, 0, 0, "intent", attempt)) for attempt in (1, 2, 4)]
    assert told == [["repeats"], ["repeats"], []]
