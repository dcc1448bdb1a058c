"""What engines would tell a collector: frames of turns made by hand; it runs no engine."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from harness.load.pipe import Account, Counts, FromEngine, Heard, Part, Sample, framed
from harness.record import FlowRow, Outcome, SpanRow
from tests.record.sample import FLOW, SPAN


def turn(
    conversation: int, due_s: float, response_ms: float, *, variant: str = "baseline",
    outcome: Outcome = "paid", late_ms: float = 0.0, error_ms: float = 0.0,
) -> tuple[FlowRow, list[SpanRow]]:  # fmt: skip
    """One call, which lasts for all of the turn but for how late that started."""
    start_s, end_s = due_s + late_ms / 1e3, due_s + response_ms / 1e3
    flow = msgspec.structs.replace(
        FLOW, variant=variant, round=0, conversation=conversation, turn=0, due_s=due_s,
        start_s=start_s, end_s=end_s, response_ms=response_ms, service_ms=response_ms - late_ms,
        outcome=outcome,
    )  # fmt: skip
    span = msgspec.structs.replace(
        SPAN, variant=variant, round=0, conversation=conversation, turn=0, stage="pay",
        start_s=start_s, end_s=end_s, injected_ms=(end_s - start_s) * 1e3 - error_ms,
    )  # fmt: skip
    return flow, [span]


@dataclass
class Engine:
    """One worker's, which counts what it was given to tell. `several` is whether there are several
    strategies."""

    name: str
    several: bool = False
    due: int = 0
    started: int = 0
    finished: int = 0
    failed: int = 0
    running: int = 0
    told: list[tuple[FlowRow, list[SpanRow]]] = field(default_factory=list)

    def begins(self, turns: int) -> None:
        self.due += turns
        self.started += turns

    def part(
        self,
        at_s: float,
        turns: Sequence[tuple[FlowRow, list[SpanRow]]] = (),
        causes: Sequence[tuple[str, str, int]] = (),
        loop_lags_ms: Sequence[float] = (),
    ) -> Heard:
        """As the conductor passes it on."""
        return self._heard(self.parted(at_s, turns, causes, loop_lags_ms))

    def parted(
        self,
        at_s: float,
        turns: Sequence[tuple[FlowRow, list[SpanRow]]] = (),
        causes: Sequence[tuple[str, str, int]] = (),
        loop_lags_ms: Sequence[float] = (),
    ) -> Part:
        """These turns have ended since the last one."""
        records, samples = bytearray(), []
        for flow, spans in turns:
            self.told.append((flow, spans))
            fault = "error: Overloaded 503" if flow.outcome == "error" else ""
            self.failed += bool(fault)
            self.finished += not fault
            records += framed(msgspec.msgpack.encode((flow, spans)))
            of = f" {flow.variant}" if self.several else ""
            samples.append(Sample("TURN", f"conversation{of}", flow.response_ms, fault))
            samples += [
                Sample("CALL", f"{span.stage}{of}", flow.response_ms, fault) for span in spans
            ]
        return Part(at_s, self.counts, bytes(records), samples, list(loop_lags_ms), list(causes))

    def account(self, at_s: float, *, cpu_share: float = 0.1, leaks: int = 0) -> Heard:
        return self._heard(Account(at_s, self.counts, cpu_share, 3, 50, leaks, ""))

    @property
    def counts(self) -> Counts:
        return Counts(self.due, self.started, self.finished, self.failed, self.running)

    def _heard(self, told: FromEngine) -> Heard:
        return Heard(self.name, msgspec.msgpack.encode(told))
