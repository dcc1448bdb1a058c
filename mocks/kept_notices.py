"""What kept mocks know of notices: whose each is, and how far those are that were begun again; it
sends none."""

import contextvars
import time
from collections.abc import Callable
from itertools import count

Tell = Callable[[str], object]
"""Says something to whoever serves."""


class Notice:
    """Which notice of which call a task carries, the numbers of its tries, whether there was one,
    and whether it found that money had moved."""

    def __init__(self, call: int, nth: int) -> None:
        self.call, self.nth = call, nth
        self.tries = count()
        self.tried = self.moved = False


class Behind:
    """How many notices were begun again, and how many of them have had their turn."""

    def __init__(self, tell: Tell, path: str, every_s: float) -> None:
        self.begun = self._gone = 0
        self._tell, self._path = tell, path
        self._every_s, self._told = every_s, time.monotonic()

    def one_gone(self) -> None:
        self._gone += 1
        if time.monotonic() - self._told > self._every_s:
            self._told = time.monotonic()
            self._tell(f"{self._path} is read: notice {self._gone:,} of {self.begun:,}")


NOTICE: contextvars.ContextVar[Notice | None] = contextvars.ContextVar("notice", default=None)
"""Of the task at hand."""
