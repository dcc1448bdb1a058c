"""How a turn ends, in a word, for whoever tells, believes or counts it; it decides none."""

from typing import Literal

Outcome = Literal[
    "paid", "ordered", "declined", "refunded", "reversed", "unknown", "error", "ok", "running"
]
"""How a turn ended. "ordered" is the good end where nobody is there to pay: the order was made and
is closed again. "ok" is the good end of a turn that pays nothing; "running" is none at all: the
turn was in flight when its run was cut off, and has the times until then."""

FAILED: frozenset[Outcome] = frozenset({"error", "unknown"})
"""Outcomes of a turn that left its user without the answer. A decline is an answer."""

UNANSWERED: frozenset[Outcome] = FAILED | {"running"}
"""Outcomes without an answer: infinite in every percentile, whatever the clock says."""
