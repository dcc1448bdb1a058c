"""W3C Trace Context, as far as tollbench speaks it: which turn a call belongs to; pure, and no
tracer.

Source: https://www.w3.org/TR/trace-context/, version 00. A trace id of ours names the run, the
conversation and the turn, so that whoever reads it knows the turn without having been told of it.
"""

import re
from functools import lru_cache
from hashlib import blake2b

import httpx
import msgspec

TRACEPARENT = "traceparent"

MOST_CONVERSATION, MOST_TURN = 2**32 - 1, 2**16 - 1
"""What there is room for in a trace id."""

LONGEST_OPERATION = 40
"""Characters; whoever asks decides what a path says."""

_OURS = "7462"
"""Stands in every trace id of ours; a foreign one has it by chance once in 65,536 times."""

_NOT_SAMPLED = "00"
"""An app must not begin to trace because it is tested; it passes the header on anyway."""

_HEADER = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-[0-9a-f]{2}"
    r"(?P<more>-.*)?",
    re.ASCII,
)
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_WORD = re.compile(r"[a-z]+(?:[A-Z][a-z]+)*(?:[._-][a-z]+)*", re.ASCII)


class Trace(msgspec.Struct, frozen=True, gc=False):
    """One turn of one run. `run` has 64 bits; `run_prefix` says how all trace ids of it begin."""

    run: int
    conversation: int
    turn: int


def number_of(run_id: str, *place: int | str) -> int:
    """The 64 bits that trace ids of that run begin with; where turns of several strategies and
    rounds go by one number, those of the strategy and round."""
    told = "/".join(map(str, (run_id, *place)))
    return int.from_bytes(blake2b(told.encode(), digest_size=8).digest())


def run_prefix(run: int) -> str:
    return f"{run:016x}"


def encode_traceparent(trace: Trace) -> str:
    """Raises ValueError for a trace that no id has room for."""
    rooms = (
        (trace.run, 2**64 - 1),
        (trace.conversation, MOST_CONVERSATION),
        (trace.turn, MOST_TURN),
    )
    if not all(0 <= number <= most for number, most in rooms):
        raise ValueError(f"no trace id has room for {trace}")
    turn = f"{_OURS}{trace.conversation:08x}{trace.turn:04x}"
    # A turn is one call as seen from here, so the turn is the parent too.
    return f"00-{run_prefix(trace.run)}{turn}-{turn}-{_NOT_SAMPLED}"


def trace_id_of(header: str) -> str:
    """The 32 hex digits of its trace id, "" where it is unreadable or invalid.

    A version that is not known yet is read by the fields that version 00 has, as the
    specification asks (section 4.1, "Versioning of traceparent").
    """
    found = _HEADER.fullmatch(header)
    if found is None or found["version"] == "ff" or (found["version"] == "00" and found["more"]):
        return ""
    if not (found["trace"].strip("0") and found["parent"].strip("0")):
        return ""
    return found["trace"]


def trace_of(trace_id: str) -> Trace | None:
    """What the id says, if it is one of ours."""
    if not _ID.fullmatch(trace_id) or trace_id[16:20] != _OURS:
        return None
    return Trace(int(trace_id[:16], 16), int(trace_id[20:28], 16), int(trace_id[28:], 16))


def read_trace(request: httpx.Request) -> str:
    """The trace id that a request carries, "" if none."""
    headers = request.headers
    return trace_id_of(headers[TRACEPARENT]) if TRACEPARENT in headers else ""


@lru_cache(4096)
def operation_of(path: str) -> str:
    """What a call does, by its path: the last part of it that is a word, or what stands behind a
    colon there. Ids and versions are no words, so the names stay few."""
    for part in reversed(path.split("/")):
        word = part.rpartition(":")[2]
        if len(word) <= LONGEST_OPERATION and _WORD.fullmatch(word):
            return word
    return "call"
