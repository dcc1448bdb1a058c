"""The progress bar on standard error; nothing of it ever reaches standard output."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class TurnBar:
    """Turns finished of all turns, and the time left. Silent where nobody can see it move."""

    def __init__(self, what: str, turns: int) -> None:
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

    def stop(self) -> None:
        self._bar.stop()
