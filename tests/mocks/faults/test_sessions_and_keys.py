"""Sessions that end and keys that rotate in the middle of a payment: what the client is told, that
nothing was done, and that whoever was not struck notices nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import httpx
import pytest
from msgspec import structs

from harness.clock import VirtualClock, run
from harness.faults import Fault, Placed, Script
from harness.providers import unionpay_ai
from harness.providers import wechat_ai as wire
from harness.providers.call import Call
from harness.providers.told import DrawKey, name_draw
from harness.providers.wechat_ai import Order, Receipt, SealingKey, Session
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints
from mocks.keys import KeyRing, public_pem
from mocks.ledger import Entry
from mocks.profile import PaymentProfile, load

T = TypeVar("T")

OPERATIONS: dict[str, wire.Operation] = {
    "pay": "pay.authorize",
    "query": "pay.query",
    "reverse": "pay.void",
    "refund": "pay.refund",
}
DONE = {"pay": "paid", "query": "paid", "reverse": "voided", "refund": "refunded"}
ENDINGS: list[tuple[Fault, str]] = [("revoked", "TOKEN_UNKNOWN"), ("expired", "TOKEN_EXPIRED")]
ADAS = Order("o-1", "ada", "balance", 5000, "CNY", "tea")
every_stage = pytest.mark.parametrize("stage", OPERATIONS)


class Till:
    """A client whose calls are decided at once: when an answer leaves is nothing to these tests."""

    def __init__(self, provider: str, placed: list[Placed]) -> None:
        config = MockConfig(seed=1, pay={provider: load(provider, PaymentProfile)}, models={})
        self.at = endpoints(IN_PROCESS_URL, config)[provider]
        self.clock = VirtualClock()
        self.host = Host(self.clock, config, faults=Script(placed))
        self._ledger = self.host.payments[provider].ledger

    def ask(self, call: Call[T], stage: str, turn: int, attempt: int = 1) -> T:
        name_draw(call.request, DrawKey(0, 0, turn, stage, attempt))
        answer = self.host.decide(call.request)
        headers = httpx.Headers(answer.headers)
        return call.decode(answer.status, headers, b"".join(answer.chunks))

    def stands(self) -> list[Entry]:
        return [replace(entry, refunds=dict(entry.refunds)) for entry in self._ledger]

    @property
    def struck(self) -> list[Fault]:
        return [fault for fault, _ in self.host.setting.struck]

    # At WeChat Pay AI

    def session(self, turn: int = 0) -> Session:
        told = self.ask(wire.open_session(self.at, "ada", "balance"), "session", turn)
        assert isinstance(told, Session)
        return told

    def key(self, turn: int = 0) -> SealingKey:
        return self.ask(wire.fetch_key(self.at), "key", turn)

    def transact(
        self, stage: str, token: str, key: SealingKey, turn: int = 1, attempt: int = 1
    ) -> str:
        """Of o-1; what is paid in a later turn is o-2. The state, or why not."""
        order = ADAS if stage != "pay" or not turn else structs.replace(ADAS, order_no="o-2")
        if stage == "refund":
            order = structs.replace(order, amount=100, refund_no="r-1")
        call = wire.transact(self.at, OPERATIONS[stage], token, key, order)
        told = self.ask(call, stage, turn, attempt)
        return told.state if isinstance(told, Receipt) else told.code


def at_till(story: Callable[[Till], T], placed: list[Placed], provider: str = "wechat-ai") -> T:
    async def main() -> T:
        return story(Till(provider, placed))

    return run("virtual", main())


# Sessions


@every_stage
@pytest.mark.parametrize(("fault", "code"), ENDINGS)
def test_a_session_that_ends_in_mid_flow_does_nothing_and_can_be_refreshed(
    fault: Fault, code: str, stage: str
) -> None:
    def story(till: Till) -> None:
        session, other, key = till.session(), till.session(), till.key()
        assert till.transact("pay", session.session_token, key, turn=0) == "paid"
        before = till.stands()
        assert till.transact(stage, session.session_token, key) == code
        assert till.stands() == before
        assert till.struck == [fault]
        assert till.transact(stage, session.session_token, key, attempt=2) == code
        assert till.transact("query", other.session_token, key, turn=2) == "paid"
        fresh = till.ask(wire.refresh(till.at, session.refresh_token), "refresh", 1)
        assert isinstance(fresh, Session)
        assert till.transact(stage, fresh.session_token, key, attempt=3) == DONE[stage]
        assert till.host.setting.trail.trespasses == []

    at_till(story, [Placed(1, stage, fault)])


ASKS: dict[str, Callable[[Till, str], Call[unionpay_ai.Payment | unionpay_ai.Refusal]]] = {
    "pay": lambda till, token: unionpay_ai.pay(till.at, token, unionpay_pays("o-2")),
    "query": lambda till, token: unionpay_ai.query(till.at, token, "o-1"),
    "reverse": lambda till, token: unionpay_ai.cancel(till.at, token, "o-1"),
    "refund": lambda till, token: unionpay_ai.refund(
        till.at,
        token,
        unionpay_ai.RefundOf(
            "k-r", "o-1", unionpay_ai.NewRefund("r-1", unionpay_ai.Money(100, "CNY"))
        ),
    ),
}


def unionpay_pays(order_no: str) -> unionpay_ai.Pay:
    amount = unionpay_ai.Money(5000, "CNY")
    payment = unionpay_ai.NewPayment(order_no, "ada", "card", "tea", amount)
    return unionpay_ai.Pay(f"k-{order_no}", payment)


@every_stage
@pytest.mark.parametrize(("fault", "code"), ENDINGS)
def test_an_access_token_that_ends_in_mid_flow_does_nothing_and_another_does(
    fault: Fault, code: str, stage: str
) -> None:
    def story(till: Till) -> None:
        token, other = (till.ask(unionpay_ai.ask_token(till.at), "session", 0) for _ in range(2))
        paid = till.ask(
            unionpay_ai.pay(till.at, token.access_token, unionpay_pays("o-1")), "pay", 0
        )
        assert isinstance(paid, unionpay_ai.Payment)
        before = till.stands()
        for attempt in (1, 2):
            told = till.ask(ASKS[stage](till, token.access_token), stage, 1, attempt)
            assert isinstance(told, unionpay_ai.Refusal)
            assert told.kind == "invalid-token"
        assert till.stands() == before
        assert till.struck == [fault]
        done = till.ask(ASKS[stage](till, other.access_token), stage, 1, 3)
        assert isinstance(done, unionpay_ai.Payment)
        # None of the tokens that follow is one that ended.
        fresh = till.ask(unionpay_ai.ask_token(till.at), "session", 1)
        assert fresh.access_token not in (token.access_token, other.access_token)

    at_till(story, [Placed(1, stage, fault)], "unionpay-ai")


@pytest.mark.parametrize(("fault", "_"), ENDINGS)
def test_a_token_that_nobody_issued_cannot_end(fault: Fault, _: str) -> None:
    def story(till: Till) -> None:
        assert till.transact("query", "wxs_ffffffffffff", till.key()) == "TOKEN_UNKNOWN"
        assert till.struck == []

    at_till(story, [Placed(1, "query", fault)])


# Keys


@every_stage
def test_a_key_that_rotates_between_seal_and_open_is_retired_for_that_call_alone(
    stage: str,
) -> None:
    def story(till: Till) -> None:
        token, old = till.session().session_token, till.key()
        assert till.transact("pay", token, old, turn=0) == "paid"
        before = till.stands()
        assert till.transact(stage, token, old) == "KEY_RETIRED"
        assert till.stands() == before
        assert till.struck == ["rotations"]
        new = till.key(turn=1)
        assert (old.key_id, new.key_id) == ("key-0", "key-1")
        # Who was not struck meets a rotation with its overlap.
        assert till.transact("query", token, old, turn=2) == "paid"
        assert till.transact(stage, token, new, attempt=2) == DONE[stage]

    at_till(story, [Placed(1, stage, "rotations")])


def test_a_burst_of_rotations_makes_a_key_a_time_and_an_old_one_makes_none() -> None:
    def story(till: Till) -> None:
        token, first = till.session().session_token, till.key()
        assert till.transact("pay", token, first) == "KEY_RETIRED"
        assert till.transact("pay", token, first, attempt=2) == "KEY_RETIRED"
        second = till.key(turn=1)
        assert second.key_id == "key-1"
        assert till.transact("pay", token, second, attempt=3) == "KEY_RETIRED"
        assert till.key(turn=2).key_id == "key-2"
        assert till.transact("pay", token, till.key(turn=2), attempt=4) == "paid"

    at_till(story, [Placed(1, "pay", "rotations", lasts=3)])


def test_a_key_that_is_not_accepted_anyway_is_not_struck() -> None:
    def story(till: Till) -> None:
        token, key = till.session().session_token, till.key()
        stray = wire.SealingKey("key-9", key.public_key, key.expires_in_s)
        assert till.transact("pay", token, stray) == "KEY_RETIRED"
        assert till.struck == []
        assert till.key(turn=1).key_id == "key-0"

    at_till(story, [Placed(1, "pay", "rotations")])


DAY_S, HOUR_S = 86_400.0, 3600.0
ROTATION_S = 30 * DAY_S


def test_a_ring_that_rotated_early_keeps_its_days_and_its_overlap() -> None:
    terms = load("wechat-ai", PaymentProfile).key
    assert terms

    async def main() -> None:
        clock = VirtualClock()
        ring = KeyRing(clock, terms)

        def accepted() -> list[str]:
            return [of for of in (f"key-{n}" for n in range(5)) if ring.accepted(of)]

        await clock.sleep_until(10 * DAY_S)
        ring.rotate("key-0")
        ring.rotate("key-0")  # It has its successor.
        assert (ring.current().key_id, accepted()) == ("key-1", ["key-0", "key-1"])
        assert ring.current().expires_in_s == 20 * DAY_S + HOUR_S
        await clock.sleep_until(10 * DAY_S + HOUR_S - 1)
        assert accepted() == ["key-0", "key-1"]
        await clock.sleep_until(10 * DAY_S + HOUR_S)
        assert accepted() == ["key-1"]
        await clock.sleep_until(ROTATION_S)
        assert (ring.current().key_id, accepted()) == ("key-2", ["key-1", "key-2"])
        await clock.sleep_until(ROTATION_S + HOUR_S)
        assert accepted() == ["key-2"]

    run("virtual", main())


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "key-",
        "0",
        "key-00",
        "key-+0",
        "key--1",
        "key- 0",
        "key-\N{ARABIC-INDIC DIGIT ZERO}",
        "key-0\n",
        "key-2",
    ],
)
def test_a_name_that_no_key_was_given_opens_nothing(key_id: str) -> None:
    terms = load("wechat-ai", PaymentProfile).key
    assert terms

    async def main() -> None:
        ring = KeyRing(VirtualClock(), terms)
        ring.rotate("key-0")
        assert ring.accepted("key-0") and ring.accepted("key-1")
        assert ring.accepted(key_id) is None

    run("virtual", main())


def test_keys_side_by_side_differ_and_making_them_has_an_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mocks.keys.PAIRS", 3)  # Of six each would have to be made.
    pems = [public_pem(n) for n in range(4)]
    assert len(set(pems)) == 3
    assert pems[0] == pems[3]
