"""What was timed, whoever timed it: one shape for every kind of recording; it reads no file.

A sample is a call that ended whole. What failed, or ended before its answer did, is told beside
the samples and never among them: nobody knows how long it would have taken.
"""

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from random import Random
from typing import Literal

import msgspec
from msgspec import structs

Kind = Literal["recording", "run", "csv", "har", "otlp"]

UNFINISHED = "cut off before its end: it would have taken longer"
NO_TIME = "without a time"
BAD_TIME = "with a time that cannot be"


class BadRecording(Exception):
    """The file cannot be used; the text is one line, with the mend."""


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call that ended whole. `first_token_s` is when the first byte came that is more than a
    keep-alive; where nobody looked for it, that of the first byte, and `total_s` where nobody
    looked for that either."""

    stage: str
    provider: str
    model: str = ""
    first_token_s: float
    total_s: float
    completion_tokens: int | None = None
    fresh: bool = False
    """On a connection that was opened for it, whose opening is part of its times."""
    status: int = 200


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """All that a file tells, in the order in which the calls began; where it does not say when that
    was, in its own. `skipped` has how many calls are no samples, by why."""

    samples: Sequence[Sample]
    kind: Kind
    skipped: dict[str, int]
    sha256: str
    """Of the file; of a run, of its rows."""
    first_known: bool = True
    """Whether first bytes were looked for at all; where not, `first_token_s` is `total_s`."""


@dataclass(slots=True)
class Told:
    """What a reader gathers from a file."""

    samples: list[Sample] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    first_known: bool = False
    _began: list[float | None] = field(default_factory=list)

    def skip(self, why: str) -> None:
        self.skipped[why] += 1

    def add(self, sample: Sample, began: float | None) -> None:
        """Unless its answer is none, or its times cannot be. `began` is when, on one clock for the
        whole file; None where nobody says."""
        if sample.status >= 300 or sample.status < 200:
            self.skip(f"answered {sample.status}")
        elif not (isfinite(sample.total_s) and 0 <= sample.first_token_s <= sample.total_s):
            self.skip(BAD_TIME)
        else:
            if (sample.completion_tokens or 0) < 0:
                sample = structs.replace(sample, completion_tokens=None)
            self.samples.append(sample)
            self._began.append(began)

    def in_order(self) -> list[Sample]:
        """As they began; as they were added where that is not known of each."""
        began = [at for at in self._began if at is not None]
        if len(began) < len(self.samples):
            return self.samples
        # Files have calls as they ended: of those that began at once, the quick ones first, which
        # would look like a trend. So luck decides, the same each time.
        luck = Random(0)
        places = [(at, luck.random(), n) for n, at in enumerate(began)]
        return [self.samples[n] for _, _, n in sorted(places)]


def whole(number: float | None) -> int | None:
    """A count or a status; None where it is none."""
    return None if number is None or not isfinite(number) else int(number)


def written_at(text: str) -> float | None:
    """A moment that is written as a number, or by ISO 8601 and in UTC where no zone is named; None
    where it is neither."""
    try:
        at = float(text)
    except ValueError:
        try:
            told = datetime.datetime.fromisoformat(text)
        except ValueError:
            return None
        at = (told if told.tzinfo else told.replace(tzinfo=datetime.UTC)).timestamp()
    return at if isfinite(at) else None
