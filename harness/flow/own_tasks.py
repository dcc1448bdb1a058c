"""The tasks that a turn of a user's own function has begun; it begins none."""

import asyncio

from harness.flow.flow import PATIENCE_S
from harness.flow.own_faults import fault_in, mistake_in


class Tasks:
    """What they still do when the function has ended is the turn's too, and is recorded."""

    def __init__(self) -> None:
        self._left: set[asyncio.Task[object]] = set()
        self._broken: list[asyncio.Task[object]] = []

    def keep(self, task: asyncio.Task[object]) -> None:
        self._left.add(task)
        task.add_done_callback(self._ended)

    @property
    def are_over(self) -> bool:
        """Whether none is left, and none has anything to tell."""
        return not self._left and not self._broken

    async def cut(self) -> None:
        """End every one where it is, so that what it has waited for is recorded."""
        while left := set(self._left):
            for task in left:
                task.cancel()
            await asyncio.wait(left)

    async def finish(self) -> None:
        """Wait for those that are left, as long as for a call, then end them."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self._left:
                    await asyncio.wait(self._left)
        except TimeoutError:
            pass
        finally:
            await self.cut()

    def bug(self) -> BaseException | None:
        """What one of them ended by that is a bug, or cannot be played, and that nobody has taken,
        also in one that ended before the function did. A provider's fault is no news."""
        for task in self._broken:
            # What asyncio itself goes by where it complains of an exception that nobody took.
            bug = task.exception() if task._log_traceback else None
            if bug is not None and (mistake_in(bug) or fault_in(bug) is None):
                return mistake_in(bug) or bug
        return None

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._left.discard(task)
        if not task.cancelled() and task._log_traceback:
            self._broken.append(task)
