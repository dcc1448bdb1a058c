"""Who plays which conversations at which rate, as users and workers come and go; it sends nothing.

A user stands for so many turns/s. All engines follow one schedule, and each plays every so-manieth
conversation of it, so the same users make the same load however many workers share it.
"""

from harness.load.pipe import Planned, Step


class Shares:
    """What the next second is to be like. `rate_each` is in turns/s for each user."""

    def __init__(self, rate_each: float) -> None:
        self._rate_each = rate_each
        self._players: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._last: tuple[float, list[str]] = (0.0, [])

    def join(self, worker: str, index: int) -> None:
        """Its engine is ready. Shares go in the order of `index`, whoever was ready first."""
        self._players[worker] = index

    def leave(self, worker: str) -> None:
        """Its engine plays no more; its users are still there."""
        self._players.pop(worker, None)

    def set_users(self, worker: str, users: int) -> None:
        """A worker that is gone has none."""
        self._users[worker] = users

    @property
    def players(self) -> list[str]:
        return sorted(self._players, key=self._players.__getitem__)

    def change(self, from_s: float) -> Planned | None:
        """The plan from then on; None where it stays as it was when this was last asked."""
        now = (sum(self._users.values()) * self._rate_each, self.players)
        if now == self._last:
            return None
        self._last = now
        return Planned(from_s, *now)


def steps(planned: Planned) -> dict[str, Step]:
    """What the engine of each worker is told of it."""
    of = len(planned.workers)
    return {
        worker: Step(planned.from_s, planned.rate, share, of)
        for share, worker in enumerate(planned.workers)
    }
