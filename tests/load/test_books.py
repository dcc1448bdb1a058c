"""An arm's payments against its books, and what of it goes into a tally and into run.json."""

import httpx
import msgspec
from msgspec.structs import replace

from harness.books import Account, Belief, Beliefs, Movement, Order, Trespass, place_of
from harness.clock import VirtualClock, run
from harness.flow.flow import Chat, Flow, World
from harness.load.books import (
    hold_against_books,
    judged,
    judged_beside,
    judged_of,
    judged_share,
    part_of,
)
from harness.load.engine import Arm, Tally
from harness.load.health import examine
from harness.record import Rows, columns_of
from harness.record.reconciliation import KEPT_BREACHES, ReconciliationSummary, merged
from tests.record.sample import FLOW, SPAN


def order(conversation: int, state: str = "paid") -> Order:
    return msgspec.convert(
        {
            "order_no": f"c{conversation}-0",
            "intent": f"3.{conversation}.0",
            "user": f"c{conversation}",
            "method": "balance",
            "amount_minor": 100,
            "currency": "CNY",
            "state": state,
            "refunded_minor": 0,
            "fee_minor": 0,
        },
        Order,
    )


def books(*conversations: int) -> Account:
    orders = [order(n) for n in conversations]
    moved = [Movement(1.0, of.order_no, "captured", 100, "CNY") for of in orders]
    return Account("tea-pay", orders, moved, {"CNY": 100 * len(orders)})


def belief(conversation: int) -> Belief:
    of = order(conversation)
    return Belief(of.order_no, "tea-pay", of.intent, "paid", 100, "CNY")


def arm(account: Account | None, *believed: int) -> Arm:
    transport = httpx.MockTransport(lambda request: httpx.Response(200))
    beliefs = Beliefs()
    for n in believed:
        beliefs.hold(belief(n))
    world = World(VirtualClock(), transport, 1, 3, True, beliefs=beliefs)

    async def boot(flow: Flow) -> None:
        pass

    async def converse(chat: Chat) -> None:
        pass

    async def tell() -> list[Account] | None:
        return None if account is None else [account]

    return Arm("prewarm", world, boot, converse, books=tell)


def test_a_breach_says_whose_and_where() -> None:
    found = judged(arm(books(1, 2), 1), [books(1, 2)])
    (breach,) = found.breaches
    assert (breach.rule, breach.variant, breach.round, breach.conversation, breach.turn) == (
        "same end", "prewarm", 3, 2, 0,
    )  # fmt: skip
    assert (found.orders, found.believed, found.breached) == (2, 1, 1)


def test_every_arm_s_books_go_into_the_tally() -> None:
    tally = Tally()
    arms = [arm(books(1, 2), 1, 2), arm(books(4), 4), arm(None)]
    run("virtual", hold_against_books(arms, tally))
    assert tally.books is not None
    assert (tally.books.orders, tally.books.breached) == (3, 0)
    assert tally.books.settled_minor == {"CNY": 300}


def test_books_that_nobody_tells_are_none_and_not_good_ones() -> None:
    tally = Tally()
    run("virtual", hold_against_books([arm(None)], tally))
    assert tally.books is None
    assert judged_of("prewarm", None, [], [], 0) is None


def test_tallies_are_added_with_their_books() -> None:
    one, other = Tally(), Tally()
    run("virtual", hold_against_books([arm(books(1), 1)], one))
    run("virtual", hold_against_books([arm(books(2))], other))
    one.add(Tally())
    one.add(other)
    assert one.books is not None
    assert (one.books.orders, one.books.believed, one.books.breached) == (2, 1, 1)


def test_of_many_breaches_the_first_are_kept_whoever_told_them_first() -> None:
    early, late = (judged(arm(None), [books(*of)]) for of in (range(30), range(30, 60)))
    both, turned = merged(early, late), merged(late, early)
    assert both == turned
    assert both is not None
    assert (both.breached, len(both.breaches)) == (60, KEPT_BREACHES)
    assert both.breaches[0].conversation == 0


def test_one_of_several_who_pay_into_the_same_books_is_judged_by_its_own_part() -> None:
    of_all = replace(books(1, 2, 3), settled_minor={"CNY": 1})
    mine = judged_share(arm(None, 2), [of_all], {2})
    assert (mine.orders, mine.breached, mine.settled_minor) == (1, 0, {"CNY": 100})
    beside = judged_beside(arm(None), [of_all])
    assert [(of.rule, of.conversation) for of in beside.breaches] == [("conservation", -1)]
    assert (beside.orders, beside.captured_minor) == (0, {})
    assert [
        of.order_no
        for of in part_of([of_all], lambda of: isinstance(of, Order) and of.user == "c3")[0].orders
    ] == ["c3-0"]


def test_whoever_played_a_conversation_tells_all_that_does_not_hold_of_its_orders() -> None:
    of_all = books(1, 2)
    twice = [replace(order, amount_minor=order.amount_minor * 2) for order in of_all.orders]
    lost = replace(
        of_all,
        orders=twice,
        trespasses=[Trespass("own tokens", "", "a token came where it must not")],
    )
    shares = [judged_share(arm(None, n), [lost], {n}) for n in (1, 2)]
    told = [(of.rule, of.conversation) for share in shares for of in share.breaches]
    assert told.count(("conservation", 1)) == told.count(("conservation", 2)) == 1
    assert "own tokens" not in [rule for rule, _ in told]
    beside = judged_beside(arm(None), [lost])
    assert [(of.rule, of.conversation) for of in beside.breaches] == [("own tokens", -1)]


def test_workers_beliefs_are_judged_when_all_have_ended() -> None:
    found = judged_of("prewarm", [books(1, 2)], [belief(1)], ["3.2.0"], 0)
    assert found is not None
    assert (found.breached, found.cut_off) == (0, 1)
    alone = judged_of("prewarm", [books(1, 2)], None, [], 0)
    assert alone is not None
    assert alone.breached == 0


def test_an_intent_names_a_turn_or_nothing() -> None:
    assert place_of("3.17.2") == (3, 17, 2)
    assert place_of("") is None
    assert place_of("a.b.c") is None


def test_a_run_whose_books_do_not_hold_is_not_believed() -> None:
    columns = columns_of(Rows([FLOW], [SPAN]))
    found = judged(arm(None, 1), [books(1, 2)])
    reasons = {}
    for of in (None, judged(arm(None, 1), [books(1)]), found, merged(found, found)):
        _, told = examine(Tally(due=1, started=1, finished=1, books=of), columns, "virtual")
        reasons[_breached(of)] = [why for why in told if why.startswith("the books")]
    why = "same end of c2-0: the order is paid, and the app knows nothing of it"
    assert reasons == {
        None: [],
        0: [],
        1: [f"the books do not hold: 1 breach: {why}"],
        2: [f"the books do not hold: 2 breaches, first: {why}"],
    }


def _breached(of: ReconciliationSummary | None) -> int | None:
    return None if of is None else of.breached
