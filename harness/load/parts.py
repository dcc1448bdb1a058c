"""What an engine tells of the turns that ended, a part at a time; it decides nothing of them.

Each turn is encoded as it ends, so that no part has much to do at once.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from harness.draws import milliseconds
from harness.flow.flow import Flow
from harness.load.engine import Tally
from harness.load.pipe import Counts, Part, Sample, framed
from harness.record import FAILED, FlowRow, SpanRow


class Parts:
    """Turns since the last part. In Locust's table a turn goes by the scenario's name, and with
    several strategies by the strategy's too."""

    def __init__(self, scenario: str, *, several: bool) -> None:
        self._scenario = scenario
        self._several = several
        self._encode = msgspec.msgpack.Encoder().encode
        self._records = bytearray()
        self._samples: list[Sample] = []
        self._lags_told = 0
        self._causes_told: Counter[tuple[str, str]] = Counter()

    def add(self, row: FlowRow, spans: list[SpanRow], flow: Flow) -> None:
        self._records += framed(self._encode((row, spans)))  # As in harness.record.spool.
        of = f" {row.variant}" if self._several else ""
        self._samples += samples(row, flow, self._scenario + of, of)

    def take(self, at_s: float, tally: Tally) -> Part:
        """All that has come since the last part; the tally is that of the run so far."""
        lags = tally.strain.loop_lags_ms
        part = Part(
            at_s=at_s,
            counts=counts_of(tally),
            records=bytes(self._records),
            samples=self._samples,
            loop_lags_ms=lags[self._lags_told :].tolist(),
            causes=[(*of, n) for of, n in (tally.causes - self._causes_told).items()],
        )
        self._records, self._samples = bytearray(), []
        self._lags_told, self._causes_told = len(lags), tally.causes.copy()
        return part


def counts_of(tally: Tally) -> Counts:
    return Counts(tally.due, tally.started, tally.finished, tally.failed, tally.running)


def samples(row: FlowRow, flow: Flow, turn_name: str, of: str) -> Iterator[Sample]:
    """The turn, counted from when it was due, and each of its calls and local steps; `of` ends
    their names.

    What began before anything in its turn had ended waited for nothing but the turn: it was due as
    much earlier as the turn itself. Anything else was due where what it waited for ended: there it
    starts. harness.stats.slo takes the same from rows.
    """
    yield Sample("TURN", turn_name, row.response_ms, _fault(flow))
    first_end = min((span.end for span in flow.spans), default=0.0)
    late = flow.start - flow.due
    for span in flow.spans:
        due = span.start - late if span.start < first_end else span.start
        kind = "CALL" if span.provider else "STEP"
        yield Sample(kind, span.stage + of, milliseconds(span.end - due), span.fault)


def _fault(flow: Flow) -> str:
    """Few texts that many turns share, for Locust groups by them; a declined payment is a good end.
    Where nothing ended the turn but its money is in doubt, the last call that failed is why."""
    if flow.outcome not in FAILED:
        return ""
    failed = sorted((span.end, span.fault) for span in flow.spans if span.fault)
    cause = flow.cause or (failed[-1][1] if failed else "")
    return f"{flow.outcome}: {cause}" if cause else flow.outcome
