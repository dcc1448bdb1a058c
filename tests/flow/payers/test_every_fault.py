"""Every payer under every fault of the network and the service, at every call of every operation.

What the payer tells is held against its provider's books, then the operation is sent again, and
what was lost on its way arrives after all.
"""

from collections.abc import Callable, Coroutine
from functools import cache, partial
from typing import Any

import pytest
from msgspec import structs

from harness.answer import Answer
from harness.faults import ANYBODYS, STAGES, Fault, Placed
from harness.flow.payers import Refund, Session, Settlement
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
)
from tests.flow.payers.stand import CLIENTS, PAYMENT, Stand, at_stand

Told = Settlement | str | bool | None
"""What an operation comes to; a ProviderFault is told as "fault"."""
Answered = tuple[int, bytes]
"""Status and body."""
Work = Callable[[Stand, int], Coroutine[Any, Any, Told]]
"""In that turn."""

SETUP, LOST, STRUCK, AGAIN = 0, 1, 2, 3
"""The turns of a story."""
ON_ITS_WAY = Placed(LOST, "pay", "lost")

PART, TOO_MUCH = Refund("r1c2-0-r1", 2000), Refund("r1c2-0-r1", 5001)


NO_END = ("fault", "stale")
"""It is open how it ends."""


async def session_of(stand: Stand, turn: int) -> Session:
    return await stand.payer.open_session(stand.turn(turn), PAYMENT.user, PAYMENT.wish.method)


# Operations. Their sessions are opened in the turn of the setup, so no fault strikes that.


async def authorize(stand: Stand, turn: int) -> Told:
    flow, session = stand.turn(turn), await session_of(stand, SETUP)
    try:
        return await stand.payer.authorize(flow, session, PAYMENT)
    finally:
        await flow.join()


async def query(stand: Stand, turn: int) -> Told:
    flow, session = stand.turn(turn), await session_of(stand, SETUP)
    try:
        return await stand.payer.query(flow, session, PAYMENT)
    finally:
        await flow.join()


async def void(stand: Stand, turn: int) -> Told:
    flow, session = stand.turn(turn), await session_of(stand, SETUP)
    return await stand.payer.void(flow, session, PAYMENT)


async def refund(stand: Stand, turn: int, of: Refund = PART) -> Told:
    flow, session = stand.turn(turn), await session_of(stand, SETUP)
    return await stand.payer.refund(flow, session, PAYMENT, of)


async def refund_too_much(stand: Stand, turn: int) -> Told:
    return await refund(stand, turn, TOO_MUCH)


# What was before


async def nothing(stand: Stand) -> None:
    """A payer fetches its key before its first user comes."""
    await stand.payer.start(stand.turn(SETUP))


async def paid(stand: Stand) -> None:
    """Of an order that nobody was to pay somebody saw the code before it was closed."""
    flow = stand.turn(SETUP)
    await stand.payer.start(flow)
    session = await session_of(stand, SETUP)
    if stand.payer.good_end == "ordered":
        await stand.payer.authorize(flow, session, PAYMENT)
        await flow.cut()
        await stand.scanned()
    else:
        await stand.payer.authorize(flow, session, PAYMENT)


async def on_its_way(stand: Stand) -> None:
    """The payment was sent, and has not come."""
    await nothing(stand)
    assert await told_by(authorize(stand, LOST)) == "fault"


# What must hold after each try


def one_capture(stand: Stand, told: Told) -> None:
    assert stand.captures <= 1
    if not isinstance(told, Settlement):
        assert told in NO_END
        return
    assert told.outcome == stand.payer.good_end
    # UnionPay's gateway closes nothing: there an order runs out.
    ends = {"paid": ["paid"], "ordered": ["voided", "open"]}
    (state,) = stand.states
    assert state in ends[told.outcome]
    if "unionpay" not in stand.at.base_url:
        assert state != "open"


def the_truth(stand: Stand, told: Told) -> None:
    assert stand.states == ["paid"]
    if told not in NO_END:
        assert isinstance(told, Settlement)
        assert told.outcome == "paid"


def nobody_knows(stand: Stand, told: Told) -> None:
    assert (told, stand.captures) in [(None, 0), ("fault", 0)]


def all_is_back(stand: Stand, told: Told) -> None:
    """When it says so, it is; whether it may say so after any fault is left open."""
    if told is True:
        assert stand.kept_minor == 0


def a_part_is_back(stand: Stand, told: Told) -> None:
    (entry,) = stand.ledger
    assert entry.refunded_minor in (0, PART.amount_minor)
    if told not in NO_END:
        assert isinstance(told, Settlement)
        assert (told.outcome, entry.refunded_minor) == ("refunded", PART.amount_minor)


def nothing_is_back(stand: Stand, told: Told) -> None:
    (entry,) = stand.ledger
    assert entry.refunded_minor == 0
    assert told in (*NO_END, Settlement("declined"))


Before = Callable[[Stand], Coroutine[Any, Any, None]]
Holds = Callable[[Stand, Told], None]

OPERATIONS: dict[str, tuple[Before, Work, Holds]] = {
    "authorize": (nothing, authorize, one_capture),
    "query": (paid, query, the_truth),
    "query of nothing": (nothing, query, nobody_knows),
    "void": (paid, void, all_is_back),
    "void of nothing": (nothing, void, all_is_back),
    "void of what is on its way": (on_its_way, void, all_is_back),
    "refund": (paid, refund, a_part_is_back),
    "refund of too much": (paid, refund_too_much, nothing_is_back),
}

OWN: dict[str, tuple[Fault, ...]] = {
    "wechat-ai": ("revoked", "expired", "rotations"),
    "unionpay-ai": ("revoked", "expired"),
    "alipay-ai": ("unknown-keys",),
    "alipay-orders": ("unknown-keys",),
    "alipay-v3": ("unknown-keys", "skew"),
    "unionpay": ("unknown-keys",),
    "wechatpay": ("unknown-keys", "skew"),
}
"""What strikes there besides."""

FAST = ("flat", "unionpay-ai")
"""Nothing is signed or sealed on these wires."""


def cases() -> list[Any]:
    return [
        pytest.param(
            name, operation, fault, id=f"{name}-{operation}-{fault}",
            marks=[] if name in FAST or _is_few(operation, fault) else pytest.mark.thorough,
        )
        for name in CLIENTS
        for operation in OPERATIONS
        for fault in (*ANYBODYS, *OWN.get(name, ()))
    ]  # fmt: skip


def _is_few(operation: str, fault: Fault) -> bool:
    return operation in ("authorize", "refund") and fault in ("lost", "reset")


@cache
def calls_of(name: str, operation: str) -> tuple[tuple[str, int], ...]:
    """Stage and attempt of every call that it makes when nothing goes wrong."""
    before, work, _ = OPERATIONS[operation]

    async def story(stand: Stand) -> tuple[tuple[str, int], ...]:
        await before(stand)
        await work(stand, STRUCK)
        return tuple((key.stage, key.attempt) for key in stand.calls if key.turn == STRUCK)

    return at_stand(name, story, [ON_ITS_WAY])


@pytest.mark.parametrize(("name", "operation", "fault"), cases())
def test_at_every_call_a_fault_leaves_the_books_and_what_is_told_of_them_at_one(
    name: str, operation: str, fault: Fault
) -> None:
    before, work, holds = OPERATIONS[operation]

    async def story(stand: Stand) -> None:
        await before(stand)
        told = await told_by(work(stand, STRUCK))
        assert stand.struck(STRUCK)
        holds(stand, told)
        again = await told_by(work(stand, AGAIN))
        assert again not in (*NO_END, False), "nothing is left that stands in the way"
        holds(stand, again)
        if told not in NO_END:
            assert told in (again, False)
        for turn in (SETUP, LOST, STRUCK, AGAIN):
            stand.arrive_late(turn)
        holds(stand, again)

    for stage, attempt in calls_of(name, operation):
        if stage in STAGES[fault]:
            at_stand(name, story, [ON_ITS_WAY, Placed(STRUCK, stage, fault, attempt)])


# Answers that are whole, and that the wire does not allow


def html(status: int) -> Answered:
    return status, b"<html><body>sorry</body></html>"


MANGLED: dict[str, Answered | None] = {
    **{f"a page of {status}": html(status) for status in
       (200, 204, 302, 400, 401, 402, 404, 409, 429, 500, 529)},
    **{f"{body[:12]!r}": (200, body) for body in
       (b"", b"null", b"{}", b'"ok"', b"\xff\xfe", b"[" * 10_000)},
    **{f"{{}} of {status}": (status, b"{}") for status in (400, 402, 404, 409)},
    "half of it": None,
}  # fmt: skip
KINDS = {401: Unauthorized, 403: Unauthorized, 429: RateLimited}
IN_USE = ("stripe", 409)
"""There that is said of a key whose first call is under way, so it may go better in a moment."""


def mangle(answer: Answer, into: Answered | None) -> Answer:
    """Its headers stay, so that only its signature says that it is another one."""
    if into is None:
        body = b"".join(answer.chunks)
        half = body[: len(body) // 2] or b"{"
        return structs.replace(answer, chunks=[half], times=answer.times[-1:])
    status, body = into
    return structs.replace(answer, status=status, chunks=[body], times=answer.times[-1:])


@pytest.mark.parametrize("operation", ["authorize", "void", "refund"])
@pytest.mark.parametrize(
    "name", [name if name == "flat" else pytest.param(name, marks=pytest.mark.thorough)
             for name in CLIENTS]
)  # fmt: skip
def test_a_whole_answer_that_the_wire_does_not_allow_is_a_fault_of_its_kind(
    name: str, operation: str
) -> None:
    before, work, holds = OPERATIONS[operation]

    async def story(stand: Stand, call: tuple[str, int], into: Answered | None) -> None:
        await before(stand)
        stand.mangled[STRUCK, *call] = lambda answer: mangle(answer, into)
        if call[0] == "close":
            # Nobody waits for that, and it is tried again.
            assert await work(stand, STRUCK) == Settlement("ordered")
        else:
            with pytest.raises(ProviderFault) as raised:
                await work(stand, STRUCK)
            status = into[0] if into else 200
            later = status >= 500 or (name, status) == IN_USE
            assert type(raised.value) is KINDS.get(status, Overloaded if later else Malformed)
        holds(stand, "fault")
        again = await work(stand, AGAIN)
        assert again is not False
        holds(stand, again)

    for call in calls_of(name, operation):
        for into in MANGLED.values():
            at_stand(name, partial(story, call=call, into=into), [ON_ITS_WAY])


@pytest.mark.parametrize("operation", ["authorize", "query", "void", "refund"])
@pytest.mark.parametrize("name", ["flat", "unionpay-ai", "wechat-ai"])
def test_an_answer_of_another_order_is_not_believed_where_nothing_is_signed(
    name: str, operation: str
) -> None:
    before, work, _ = OPERATIONS[operation]
    (stage, attempt), *_ = calls_of(name, operation)

    def of_another(answer: Answer) -> Answer:
        body = b"".join(answer.chunks).replace(b'"r1c2-0"', b'"r1c2-9"')
        return structs.replace(answer, chunks=[body])

    async def story(stand: Stand) -> None:
        await before(stand)
        stand.mangled[STRUCK, stage, attempt] = of_another
        with pytest.raises(Malformed, match="of another order"):
            await work(stand, STRUCK)

    at_stand(name, story)


async def told_by(work: Coroutine[Any, Any, Told]) -> Told:
    """A fault of the provider's is one thing that it may come to; any other exception is a bug."""
    try:
        return await work
    except ProviderFault:
        return "fault"
