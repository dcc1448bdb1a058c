"""What an engine process and its conductor tell each other, a line of JSON each; it opens no pipe.

To the engine: what to run, then orders. From it: its turns as they end, then its account.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from harness.record import FAILED


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rate in turns/s from now on, or to stop: begin nothing more, and end when all has ended."""

    rate: float | None = None
    stop: bool = False


class Flow(msgspec.Struct, frozen=True):
    """Of a flow row, what Locust has a use for; the line has all of it."""

    response_ms: float
    outcome: str


class Span(msgspec.Struct, frozen=True):
    """Of a span row, what Locust has a use for; the line has all of it."""

    stage: str
    provider: str
    start_s: float
    end_s: float
    status: int


class Turn(msgspec.Struct, frozen=True, tag="turn"):
    """A finished turn; `fault` says which fault of a provider's ended it, "" for none."""

    flow: Flow
    spans: list[Span]
    fault: str


class Account(msgspec.Struct, frozen=True, tag="account"):
    """The last line. `due` counts every turn of the conversations begun, `started` leaves out those
    that a stop came before."""

    due: int
    started: int
    finished: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A row's worth of Locust's table; `fault` is "" unless it counts as failed."""

    kind: str
    name: str
    response_ms: float
    fault: str


def samples(turn: Turn, name: str) -> Iterator[Sample]:
    """The turn, counted from when it was due, and each of its calls and local steps. A declined
    payment is a good end, and a refusal an answer: neither has failed."""
    outcome = turn.flow.outcome
    fault = ": ".join(filter(None, (outcome, turn.fault)))
    failed = outcome in FAILED
    yield Sample("TURN", name, turn.flow.response_ms, fault if failed else "")
    for span in turn.spans:
        kind = "CALL" if span.provider else "STEP"
        yield Sample(kind, span.stage, (span.end_s - span.start_s) * 1e3, _fault(span))


def verdict(accounts: Sequence[Account | None], fired: int) -> tuple[bool, str]:
    """Whether every turn that was started came through to Locust, and a line that says so. None
    stands for an engine that gave no account."""
    known = [account for account in accounts if account is not None]
    started = sum(account.started for account in known)
    finished = sum(account.finished for account in known)
    silent = len(accounts) - len(known)
    if not silent and started == finished == fired > 0:
        return True, f"turns: {started} started = {finished} finished = {fired} fired"
    line = f"INVALID: {started} turns started, {finished} finished, {fired} fired"
    return False, line + (
        f"; {silent} of {len(accounts)} engines gave no account" if silent else ""
    )


def _fault(span: Span) -> str:
    if not span.provider:
        return ""
    if span.status == 0:
        return "no answer"
    return f"status {span.status}" if span.status == 429 or span.status >= 500 else ""
