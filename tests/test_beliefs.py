"""What an app holds of its payments: the newest of them, each with all that was shown of it."""

from harness.books import Belief, Beliefs, Shown
from harness.record import Outcome


def of(number: str, outcome: Outcome = "paid") -> Belief:
    return Belief(number, "tea-pay", "0.5.0", outcome, 4580, "CNY")


def test_of_too_many_beliefs_the_oldest_are_forgotten_and_counted() -> None:
    beliefs = Beliefs(most=10)
    for n in range(25):
        beliefs.hold(of(f"u-{n}"))
    assert len(beliefs) + beliefs.forgotten == 25
    assert len(beliefs) <= 10
    assert beliefs.get("tea-pay", "u-24") is not None
    assert beliefs.get("tea-pay", "u-0") is None


def test_secrets_in_what_users_are_shown_are_counted() -> None:
    beliefs = Beliefs(secrets_in=lambda text: text.count("key"))
    for text in ("a key, and a key", "none"):
        beliefs.show("tea-pay", "u-0", text, 11.0)
    assert beliefs.secrets == 2


def test_what_was_shown_stays_with_a_payment_whose_end_is_told_anew() -> None:
    beliefs = Beliefs(lambda text: "paid" if "paid" in text else None)
    beliefs.hold(of("u-0"))
    beliefs.show("tea-pay", "u-0", "it is paid", 11.0)
    beliefs.show("tea-pay", "u-0", "good day", 12.0)
    beliefs.show("tea-pay", "nobody's", "it is paid", 12.0)
    beliefs.hold(of("u-0", "refunded"))
    (held,) = beliefs
    assert held.outcome == "refunded"
    assert held.shown == [Shown(11.0, "paid")]


def test_what_was_shown_before_anything_is_held_of_its_payment_is_not_lost() -> None:
    beliefs = Beliefs(lambda text: "paid")
    beliefs.show("tea-pay", "u-0", "it is paid", 11.0)
    beliefs.show("tea-pay", "u-0", "it is paid, again", 12.0)
    beliefs.show("tea-pay", "u-1", "it is paid", 12.0)
    assert len(beliefs) == 0
    beliefs.hold(of("u-0", "declined"))
    beliefs.show("tea-pay", "u-0", "it is paid, really", 13.0)
    beliefs.hold(of("u-0", "declined"))
    (held,) = beliefs
    assert [shown.at_s for shown in held.shown] == [11.0, 12.0, 13.0]


def test_texts_of_payments_of_which_nothing_is_ever_held_do_not_heap_up() -> None:
    beliefs = Beliefs(lambda text: "paid", most=3)
    for n in range(5):
        beliefs.show("tea-pay", f"u-{n}", "it is paid", float(n))
    for n in (0, 4):
        beliefs.hold(of(f"u-{n}"))
    assert [(held.order_no, len(held.shown)) for held in beliefs] == [("u-0", 0), ("u-4", 1)]
