"""Which sessions an app refreshed, and which of them twice at once; it refreshes none, and changes
nothing of when that is done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.flow.flow import Flow
from harness.flow.payers import Payer, Session


class AtOnce(NamedTuple):
    """One session that was refreshed so many times at once, in the turn of that intent."""

    intent: str
    lane: str
    times: int


class Refreshes:
    """Of one conversation. No span tells one session from another, so its payers are watched."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str, str], list[_Refresh]] = {}
        """By intent, lane and the token that is to be replaced."""

    def watched(self, payer: Payer, lane: str) -> Payer:
        """That payer, whose refreshes are noted from now on."""
        refresh = payer.refresh_session

        async def watched(flow: Flow, user: str, session: Session) -> Session:
            start = flow.now()
            try:
                return await refresh(flow, user, session)
            finally:
                intent = f"{flow.world.round}.{flow.conversation}.{flow.turn}"
                self.note(intent, lane, session.token, start, flow.now())

        payer.refresh_session = watched  # type: ignore[method-assign]  # of this one payer alone
        return payer

    def note(self, intent: str, lane: str, token: str, start: float, end: float) -> None:
        """One refresh, in the clock's seconds, with all that was tried for it."""
        self._of.setdefault((intent, lane, token), []).append(_Refresh(start, end))

    def at_once(self) -> Iterator[AtOnce]:
        """A session that ran out is refreshed once, however many need it at that moment. What is
        opened is not counted: legs of a shared bill, and who finds a token taken back, open their
        own; nor are two sessions, each of a method of its own, that run out together."""
        for (intent, lane, _), refreshes in self._of.items():
            if (times := _most_at_once(refreshes)) > 1:
                yield AtOnce(intent, lane, times)


@dataclass(frozen=True, slots=True)
class _Refresh:
    start: float
    end: float


def _most_at_once(refreshes: Sequence[_Refresh]) -> int:
    """How many there were under way at one moment: what begins as another ends is after it."""
    return max(
        sum(of.start == at.start or of.start < at.start < of.end for of in refreshes)
        for at in refreshes
    )
