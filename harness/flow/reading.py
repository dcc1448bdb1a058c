"""What the models make of a user's words, as far as the guard lets it through; no money moves."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from harness.flow import facts, guard
from harness.flow.flow import Flow
from harness.flow.guard import Guarded, WishT
from harness.flow.model import Decision, Models
from harness.flow.wish import AnyWish, Wish

T = TypeVar("T")

TRIES = 2
"""How often a model is asked before an answer that the guard stops ends the turn."""


class Reader:
    def __init__(self, models: Models) -> None:
        self._models = models

    def read(self, flow: Flow, wish: WishT) -> Coroutine[Any, Any, WishT]:
        """The wish, understood by the model and let through by the guard."""

        async def read() -> WishT:
            return guard.allow(await self._models.read_wish(flow, wish.said()), wish)

        return _guarded(flow, read)

    def understand(self, flow: Flow, said: str) -> Coroutine[Any, Any, AnyWish]:
        """What the model makes of words that no wish is known behind, as far as they bear it."""

        async def understand() -> AnyWish:
            return guard.borne(await self._models.read_wish(flow, said), said)

        return _guarded(flow, understand)

    async def score(self, flow: Flow, wish: Wish) -> int:
        """How suspicious it is, from 0 to 100."""
        return (await _guarded(flow, lambda: self._models.suspect(flow, wish.said()))).score

    def decide(self, flow: Flow, case: str) -> Coroutine[Any, Any, Decision]:
        """Whether a refund is due."""
        return _guarded(flow, lambda: self._models.decide(flow, case))


def refusal(said: str, references: Collection[str]) -> str:
    """What is told where no wish that a model could read from the words would pass the guard: then
    none is asked. "" where one may. `references` are of the payments of this chat."""
    kinds, sums = guard.kinds_in(said), guard.sums_in(said)
    if len(kinds) > 1 or len(sums) > 1:
        return facts.ONE_BY_ONE
    known = guard.names_any(said, references)
    return "" if (kinds and sums) or known else facts.UNCLEAR


async def _guarded(flow: Flow, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the model answers; an answer that the guard stops is counted and asked for again."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except Guarded:
            flow.guarded += 1
    try:
        return await ask()
    except Guarded:
        flow.guarded += 1
        raise
