"""The careful payer: each operation is sent again exactly where that is safe."""

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, World
from harness.flow.payers import Connects, Payment, Refund, Session, Settlement, Stale
from harness.flow.payers.careful import Careful
from harness.flow.retry import Retries
from harness.flow.wish import Wish
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from harness.record import Outcome

LOST, BUSY, TURNED = Unreachable("lost"), Overloaded("503", status=503), RateLimited("429")
BROKEN, NO_KEY = Malformed("refused: BAD_SEAL"), Unauthorized("401")

PAYMENT = Payment("r1c2-0", "r1c2", Wish(5000, "CNY", "noodles", "balance"))
SESSION = Session("token", "balance", 900.0, "refresh")


class Failing:
    """Every operation fails so many times, and is counted."""

    good_end: Outcome = "paid"
    has_sessions = True

    def __init__(self, fault: ProviderFault, failures: int = 1) -> None:
        self.made: Counter[str] = Counter()
        self._fault = fault
        self._failures = failures

    async def start(self, flow: Flow) -> None:
        self._make("start")

    async def open_session(self, flow: Flow, user: str, method: str) -> Session:
        self._make("open_session")
        return SESSION

    async def refresh_session(self, flow: Flow, user: str, session: Session) -> Session:
        self._make("refresh_session")
        return session

    async def authorize(self, flow: Flow, session: Session, payment: Payment) -> Settlement | Stale:
        self._make("authorize")
        return Settlement("paid")

    async def query(self, flow: Flow, session: Session, payment: Payment) -> Settlement | None:
        self._make("query")
        return None

    async def void(self, flow: Flow, session: Session, payment: Payment) -> bool:
        self._make("void")
        return True

    async def refund(
        self, flow: Flow, session: Session, payment: Payment, refund: Refund
    ) -> Settlement | Stale:
        self._make("refund")
        return Settlement("refunded")

    def _make(self, operation: str) -> None:
        self.made[operation] += 1
        if self.made[operation] <= self._failures:
            raise self._fault


Operate = Callable[[Careful, Flow], Coroutine[Any, Any, object]]

OPERATIONS: dict[str, Operate] = {
    "open_session": lambda payer, flow: payer.open_session(flow, "alice", "balance"),
    "refresh_session": lambda payer, flow: payer.refresh_session(flow, "alice", SESSION),
    "authorize": lambda payer, flow: payer.authorize(flow, SESSION, PAYMENT),
    "query": lambda payer, flow: payer.query(flow, SESSION, PAYMENT),
    "void": lambda payer, flow: payer.void(flow, SESSION, PAYMENT),
    "refund": lambda payer, flow: payer.refund(flow, SESSION, PAYMENT, Refund("r", 5000)),
}


def _operate(operation: str, payer: Failing, retries: Retries | None) -> str:
    """The fault that was left, "" when all went well."""

    def nowhere(request: httpx.Request) -> httpx.Response:
        raise AssertionError("a careful payer makes no calls of its own")

    async def main() -> str:
        world = World(VirtualClock(), httpx.MockTransport(nowhere), 1, 0, True, retries=retries)
        try:
            await OPERATIONS[operation](Careful(payer, "bank"), Flow(world, 0, 0, 0.0, 0.0))
        except ProviderFault as fault:
            return type(fault).__name__
        return ""

    return run("virtual", main())


@pytest.mark.parametrize("fault", [LOST, BUSY, TURNED, BROKEN, NO_KEY], ids=lambda of: str(of))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_is_sent_again_where_that_is_safe(
    operation: str, fault: ProviderFault
) -> None:
    payer = Failing(fault)
    left = _operate(operation, payer, Retries())
    safe = fault in (LOST, BUSY, TURNED) if operation != "authorize" else fault is TURNED
    assert (left == "") == safe
    refreshes_once = operation == "refresh_session" and fault in (LOST, BUSY)
    assert payer.made[operation] == 1 + (safe and not refreshes_once)
    # Whether a refresh token without an answer is used up, nobody knows: another is opened.
    assert payer.made["open_session"] == {"open_session": 1 + safe}.get(
        operation, 2 * refreshes_once
    )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_retries_every_operation_is_made_once(operation: str) -> None:
    payer = Failing(LOST)
    assert _operate(operation, payer, None) == "Unreachable"
    assert payer.made.total() == 1


@pytest.mark.parametrize("operation", ["open_session", "query", "void", "refund"])
def test_what_never_succeeds_ends_after_all_its_tries(operation: str) -> None:
    payer = Failing(LOST, failures=99)
    assert _operate(operation, payer, Retries(most=4)) == "Unreachable"
    assert payer.made.total() == 5


def test_it_is_seen_as_the_payer_that_it_is_around() -> None:
    careful = Careful(Failing(LOST))
    assert (careful.good_end, careful.has_sessions) == ("paid", True)
    assert isinstance(careful, Connects)
