"""The progress bar on standard error; nothing of it ever reaches standard output."""

from collections.abc import Callable, Iterable

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from harness.load.engine import Tally

LOOKS_A_SECOND = 4
"""Each takes a millisecond of the process that draws."""


class TurnBar:
    """Turns ended of all turns, at what rate, how many failed, how many conversations are in
    flight, and the time left. Silent where nobody can see it move.

    As a context it ends the bar; `watch` is called by whoever runs the turns.
    """

    def __init__(self, what: str, turns: float, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self._bar = _Watching(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("turns,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
            refresh_per_second=LOOKS_A_SECOND,
            disable=not console.is_terminal,
        )
        self._bar.add_task(what, total=turns, start=True)

    def watch(self, tally: Tally) -> None:
        """Of another tally than before, what it counts is counted on from there."""
        self._bar.tally = tally
        self._bar.start()

    def tell(self, words: Callable[[], str]) -> None:
        """Show these too, asked anew whenever the bar is drawn."""
        self._bar.words = words

    def __enter__(self) -> "TurnBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


class _Watching(RichProgress):
    """Asks the tally whenever it draws: nobody who measures has to tell it anything."""

    tally: Tally | None = None
    words: Callable[[], str] = staticmethod(str)

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.tally is not None:
            for task in self.task_ids:
                self.update(task, completed=self.tally.ended)
        yield from super().get_renderables()
        if self.tally is not None:
            speed = self.tasks[0].speed or 0.0
            yield Text(
                f"{speed:.0f} turns/s, {self.tally.failed} failed, {self.tally.open} in flight"
                f"{self.words()}",
                style="dim",
                no_wrap=True,
            )
