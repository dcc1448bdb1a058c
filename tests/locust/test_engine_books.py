"""An engine's last minute: while it asks for the books and judges, it goes on telling parts."""

import asyncio
import threading
from collections.abc import Sequence

import httpx
import pytest

from harness.books import Account as Books
from harness.cli import engine
from harness.cli.asked import Asked
from harness.cli.engine import Begin
from harness.clock import RealClock, run
from harness.flow.flow import Chat, Flow, World
from harness.load.engine import Arm
from harness.load.pipe import Account, FromEngine, Order, Part, Stop
from harness.record.reconciliation import ReconciliationSummary

LIMIT_S = 20.0
"""A part comes four times a second; a test that hangs is to fail."""


class Told:
    """Somebody who hears an engine."""

    def __init__(self) -> None:
        self.broken = False
        self.told: list[FromEngine] = []
        self._next: list[threading.Event] = []

    def tell(self, message: FromEngine) -> None:
        self.told.append(message)
        for waiter in self._next:
            waiter.set()

    async def close(self) -> None: ...

    def another(self) -> threading.Event:
        """Set when something more is told."""
        self._next.append(threading.Event())
        return self._next[-1]


class StopAtOnce:
    async def next(self) -> Order | None:
        return Stop()


def test_parts_go_on_while_books_are_asked_for_and_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    out, waited = Told(), []

    async def books() -> list[Books]:
        another = out.another()
        async with asyncio.timeout(LIMIT_S):
            while not another.is_set():
                await asyncio.sleep(0.01)
        return []

    def judged(arm: Arm, told: Sequence[Books], *_: object) -> ReconciliationSummary:
        waited.append(out.another().wait(LIMIT_S))
        return ReconciliationSummary(orders=1)

    monkeypatch.setattr(engine, "judged_share", judged)
    monkeypatch.setattr(engine, "judged_beside", judged)

    async def nothing(of: Flow | Chat) -> None: ...

    async def main() -> int:
        clock = RealClock()
        transport = httpx.MockTransport(lambda request: httpx.Response(200))
        arm = Arm("baseline", World(clock, transport, 1, 0, True), nothing, nothing, books=books)
        begin = Begin(asked=Asked(), base_url="", run_id="a-run", worker="w0", index=0)
        playing = engine._Run(begin, clock, [arm], 1, clock.now())
        return await playing.play(StopAtOnce(), out)  # type: ignore[arg-type]  # as they speak

    assert run("real", main()) == 0
    assert waited == [True, True]
    *parts, account = out.told
    assert all(isinstance(part, Part) for part in parts)
    assert isinstance(account, Account)
    assert account.books is not None
    assert account.books.orders == 1
