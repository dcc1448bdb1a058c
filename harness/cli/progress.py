"""The progress bar on standard error; nothing of it ever reaches standard output."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class TurnBar:
    """Turns finished of all turns, and the time left. Silent where nobody can see it move.

    As a context it ends the bar; `start` is called by whoever runs the turns.
    """

    def __init__(self, what: str, turns: float) -> None:
        console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("turns,"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(what, total=turns, start=True)

    def start(self) -> None:
        self._bar.start()

    def advance(self, turns: int) -> None:
        self._bar.advance(self._task, turns)

    def __enter__(self) -> "TurnBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
