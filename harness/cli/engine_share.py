"""What one engine of a conducted run keeps in case that nobody is left to tell it to; nothing of it
outlives an orderly end."""

import contextlib
import shutil
import sys
import tempfile
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from harness.cli.asked import Asked
from harness.cli.course import Course
from harness.cli.outcome import Started, store
from harness.cli.room import new_run
from harness.load.engine import Tally
from harness.record import Spool


class Share(AbstractContextManager["Share"]):
    """An engine's own turns, in a file of the system's folder for such."""

    def __init__(self, asked: Asked, engine: str) -> None:
        self._asked = asked
        self._engine = engine
        self._started = Started.now()
        self._room = Path(tempfile.mkdtemp(prefix="tollbench-"))
        self._spool = Spool(self._room / "share")
        self._missing = ""

    def keep(self, records: bytes) -> None:
        """Turns that ended, as they stand in a spool. Where no more can be kept the run goes on:
        they are told as well."""
        if self._missing:
            return
        try:
            self._spool.add_records(records)
            self._spool.flush()
        except OSError as error:
            self._missing = f"; later turns could not be kept: {error.strerror}"

    def store(self, tally: Tally, lasted_s: float) -> None:
        """As a run of its own, which is INVALID: it is no more than a share."""
        from harness.cli.conducted_run import checked_run  # An orderly end never needs it.

        self._spool.close()
        run, _ = checked_run(self._asked, sys.argv[1:])
        rate = round(tally.due / max(lasted_s, 1.0), 4)
        run = replace(run, parameters={**run.parameters, "rate": rate}, slos=())
        why = f"the conductor was lost: this is the share of engine {self._engine}{self._missing}"
        course = Course(self._room, tally, stopped=why, spools=[self._spool.path])
        kept = new_run(
            Path(self._asked.out), self._started.at, run.scenario_name, run.clock, run.seed
        )
        store(run, course, self._started, kept)
        print(f"tollbench: {why}; it is kept in {kept}", file=sys.stderr)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # A full disk has told so before.
            self._spool.close()
        shutil.rmtree(self._room, ignore_errors=True)
