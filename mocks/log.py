"""The request log: a line of JSON for each request, after a first one that says how to replay them.

It holds no body, no query, no key, and of the headers only the ids of trace and draw. A foreign
client's calls are served with draws in the order of their arrival, so the same seed, profiles and
order of calls meet the same weather; one call alone is replayed by sending its "draw" as the header
x-tollbench-draw. A status is what left on the wire, 0 where a fault let nothing leave, not even a
head.
"""

import datetime
import sys
from collections import Counter
from collections.abc import Mapping
from typing import TextIO

import msgspec

from harness.answer import Answer
from harness.providers.told import encode_draw
from mocks.desk import Served

LONGEST_PATH = 200
"""Characters; whoever asks decides what a path says."""


class RequestLog:
    """Counts what was served, and writes it down where there is something to write to."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.served: Counter[str] = Counter()
        """Answers by provider, those that no provider gave under ""."""
        self._out = out

    def begin(self, seed: int, profiles: Mapping[str, str], replay: str) -> None:
        """`profiles` are the fingerprints by name, `replay` the command that serves so again."""
        self._write({"seed": seed, "profiles": profiles, "replay": replay})

    def note(self, method: str, path: str, answer: Answer | None) -> None:
        """None where there was no answer: the mock broke."""
        call = answer.note if answer and isinstance(answer.note, Served) else None
        self.served[call.provider if call else ""] += 1
        if self._out is not None:
            self._write(
                {
                    "provider": call.provider if call else None,
                    "method": method,
                    "path": path[:LONGEST_PATH],
                    "status": answer.status if answer else None,
                    "injected_ms": call.injected_ms if call else None,
                    "queue_ms": call.queue_ms if call else None,
                    "work_ms": call.work_ms if call else None,
                    "draw": encode_draw(call.key) if call else None,
                    "trace": (call.trace or None) if call else None,
                }
            )

    def _write(self, told: Mapping[str, object]) -> None:
        """A log that takes no more ends; the serving goes on."""
        if self._out is None:
            return
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        try:
            self._out.write(msgspec.json.encode({"time": time, **told}).decode() + "\n")
            self._out.flush()
        except OSError as error:
            self._out = None
            print(f"tollbench: the request log ends here: {error.strerror}", file=sys.stderr)
