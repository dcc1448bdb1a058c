"""Idempotency keys: one answer a key for a day, and nothing for another use of it."""

import pytest

from mocks.idempotency import Clash, Idempotency

DAY_S = 86_400.0


def used(now: float = 0.0, ready_at: float = 1.0) -> Idempotency[str]:
    keys: Idempotency[str] = Idempotency(DAY_S)
    keys.keep("k", "/pay", "10", "paid", now, ready_at)
    return keys


def test_a_new_key_is_nobodys() -> None:
    assert used().find("another", "/pay", "10", 2.0) is None


def test_the_same_use_has_the_same_answer_until_the_day_is_over() -> None:
    keys = used()
    for now in (1.0, 2.0, DAY_S - 1e-6):
        assert keys.find("k", "/pay", "10", now) == "paid"
    assert keys.find("k", "/pay", "10", DAY_S) is None


@pytest.mark.parametrize("answer", ["500", "402", "200"])
def test_any_answer_is_repeated_an_error_too(answer: str) -> None:
    keys: Idempotency[str] = Idempotency(DAY_S)
    keys.keep("k", "/pay", "10", answer, 0.0, 1.0)
    assert keys.find("k", "/pay", "10", 1.0) == answer


@pytest.mark.parametrize("now", [0.0, 0.5, 1.0, 2.0])
def test_another_use_clashes_at_any_time(now: float) -> None:
    keys = used()
    assert keys.find("k", "/refund", "10", now) == Clash("other_endpoint", "/pay")
    assert keys.find("k", "/pay", "11", now) == Clash("other_terms", "/pay")


def test_while_the_answer_is_under_way_the_same_use_clashes_too() -> None:
    keys = used(ready_at=1.0)
    assert keys.find("k", "/pay", "10", 1.0 - 1e-6) == Clash("in_flight", "/pay")
    assert keys.find("k", "/pay", "10", 1.0) == "paid"


def test_a_key_whose_day_is_over_can_be_used_for_anything() -> None:
    keys = used()
    assert keys.find("k", "/refund", "11", DAY_S) is None
    keys.keep("k", "/refund", "11", "given back", DAY_S, DAY_S + 1)
    assert keys.find("k", "/refund", "11", DAY_S + 1) == "given back"


def test_keys_whose_day_is_over_are_forgotten() -> None:
    keys: Idempotency[str] = Idempotency(DAY_S)
    for n in range(100):
        keys.keep(f"k{n}", "/pay", "10", "paid", float(n), float(n))
    assert keys.find("k99", "/pay", "10", DAY_S + 98) == "paid"
    assert len(keys) == 1
