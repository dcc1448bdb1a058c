"""Idempotency keys: what was answered under each, and who may have it again; it knows no wire.

A key belongs to the endpoint and the terms that it was first used with. While the first call under
it is still on its way to its answer, a second one is told so; afterwards it gets that answer again,
until the key's lifetime is over. What is worth keeping is the caller's to say: a call that never
began to be carried out must not use its key up.
"""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Reply = TypeVar("Reply")


@dataclass(frozen=True, slots=True)
class Clash:
    """The key cannot be used for this; `endpoint` is the one that it belongs to."""

    why: Literal["other_endpoint", "other_terms", "in_flight"]
    endpoint: str


@dataclass(slots=True)
class _Kept(Generic[Reply]):
    endpoint: str
    terms: str
    reply: Reply
    ready_at: float
    until: float


class Idempotency(Generic[Reply]):
    """The keys of one account. Times are the clock's seconds, and never run backwards."""

    def __init__(self, lifetime_s: float) -> None:
        self._lifetime_s = lifetime_s
        self._kept: dict[str, _Kept[Reply]] = {}
        """In the order of their ends."""

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, key: str, endpoint: str, terms: str, now: float) -> Reply | Clash | None:
        """What was answered under the key, or why it cannot be used; None for a new key."""
        self._forget(now)
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.endpoint != endpoint:
            return Clash("other_endpoint", kept.endpoint)
        if kept.terms != terms:
            return Clash("other_terms", kept.endpoint)
        return Clash("in_flight", kept.endpoint) if now < kept.ready_at else kept.reply

    def keep(
        self, key: str, endpoint: str, terms: str, reply: Reply, now: float, ready_at: float
    ) -> None:
        """Use a new key up. Its answer is known, and under way until `ready_at`."""
        assert key not in self._kept
        self._kept[key] = _Kept(endpoint, terms, reply, ready_at, now + self._lifetime_s)

    def _forget(self, now: float) -> None:
        while self._kept:
            oldest = next(iter(self._kept))
            if now < self._kept[oldest].until:
                return
            del self._kept[oldest]
