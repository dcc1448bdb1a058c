"""What counts as a secret in a prompt, and what only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocks import leaks
from mocks.leaks import count_in_all, count_secrets

# Test numbers that card networks publish; the last is 19 digits long.
VISA, AMEX, UNIONPAY = "4111111111111111", "378282246310005", "6205500000000000004"


@pytest.mark.parametrize(
    "text",
    [
        "wxs_00000000002a",
        "token=wxs_00000000002a.",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN PUBLIC KEY-----",
        "sk_live_51H8abcdEFGH",
        "sk_test_51H8abcdEFGH",
        "rk_live_51H8abcdEFGH",
        "sk-proj-abcdEFGH12345678",
        "sk-ant-api03-abcdEFGH",
        "my key is sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD!",
        "sk-svcacct-abcdefghijklmnop",
        "Authorization: Bearer abcdef.ghijkl",
        "Bearer wxs_00000000002a",
        VISA,
        f"Charge {VISA}.",
        f"Charge {VISA}, please",
        f"card no.{VISA}",
        f"({VISA})",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111 1111 1111 1111 12/28",
        "4111 1111 1111 1111 123",
        "since 2026 4111 1111 1111 1111",
        "12.50 CNY 4111-1111-1111-1111 20",
        "3782 822463 10005",
        AMEX,
        UNIONPAY,
        "6205 5000 0000 0000 004",
        "620550 0000000000004",
    ],
)
def test_each_of_these_is_one_secret(text: str) -> None:
    assert count_secrets(text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Pay 12.50 CNY to tea-house with my card.",
        "Payment txn_00c0ffee: 12.50 CNY to tea-house with card: paid",
        "Payment txn_4111111111111111 was paid",
        "order-id 4111111111111112",
        "4111 1111 1111 1112",
        "2026-11-23 2026-11-24 2026-11-25",
        "2026-11-23T14:59:08.123456Z",
        "+86 138 0013 8000",
        "1234567890.00",
        f"0.{VISA}",
        f"{VISA}.50",
        f"{VISA}0000",
        "411111111111",
        "4111 1111-1111 1111",
        "wxs_ is how our tokens begin",
        "sk-ip the risk-assessment-of-everything-we-have",
        "ask_live_12345678",
        "the bearer of good news",
        "a Bearer token",
        "-----BEGIN-----",
    ],
)
def test_none_of_these_is_a_secret(text: str) -> None:
    assert count_secrets(text) == 0


def test_secrets_are_counted_one_by_one() -> None:
    text = f"{VISA} {AMEX} wxs_00000000002a, 4111 1111 1111 1111; Bearer abcdefgh"
    assert count_secrets(text) == 5


@given(st.integers(10**15, 10**16 - 1))
def test_one_in_ten_numbers_of_sixteen_digits_has_the_check_digit(number: int) -> None:
    """And exactly one: the last digit decides."""
    family = [f"{number // 10}{last}" for last in range(10)]
    assert sum(map(count_secrets, family)) == 1


@given(
    st.lists(st.text("1234567890 -.4\u0664k_", max_size=40), max_size=3),
    st.sampled_from(
        ["", VISA, "4111-1111-1111-1111", "\u0664111111111111111", "wxs_00000000002a", AMEX]
    ),
)
def test_many_texts_hold_what_they_hold_one_by_one(texts: list[str], secret: str) -> None:
    found = count_in_all([*texts, secret])
    assert found == sum(map(count_secrets, [*texts, secret])) >= bool(secret)


def test_a_secret_in_two_halves_is_none() -> None:
    assert count_in_all([VISA[:8], VISA[8:]]) == count_in_all(["Bearer", "abcdefgh"]) == 0


@given(st.text("1234567890 -\u0664", max_size=60))
def test_no_card_is_missed_by_a_look_at_the_whole_text(text: str) -> None:
    every = {card.start() for shape in leaks._CARD_SHAPES for card in shape.finditer(text)}
    assert every == set() or leaks._may_hold_card(text)


@given(st.text(), st.sampled_from([VISA, "4111 1111 1111 1111", "wxs_00000000002a"]), st.text())
def test_text_around_a_secret_does_not_hide_it(before: str, secret: str, after: str) -> None:
    assert count_secrets(f"{before} \n{secret}\n {after}") >= 1
