"""What the web interface shows of the test at hand; it asks nobody for it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Board:
    """It is of the last test that was started."""

    snapshot: bytes = b""
    """JSON of a Snapshot of harness.load.live_figures; empty before the first."""
    folder: str = ""
    """Of the run, once it has one."""
    problems: list[str] = field(default_factory=list)
    """Why the test did not start, a line each."""
    stored: bool = False

    def refuse(self, problems: list[str]) -> None:
        """The test did not start."""
        self.problems = problems

    def clear(self) -> None:
        self.snapshot, self.folder, self.problems, self.stored = b"", "", [], False
