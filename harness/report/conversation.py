"""A conversation as text: turn by turn what was wished for and how it ended, and under it every
call with its times, as a waterfall. It shows no body, header or token, and judges nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from textwrap import wrap

import numpy as np

from harness.flow.flow import Flow
from harness.flow.wish import major
from harness.record import Columns, FlowRow, SpanRow, Text, rows_of
from harness.record.columns import ShapeT, Spans, Turns, made

TurnRows = tuple[FlowRow, Sequence[SpanRow]]
"""A turn as a stored run has it."""


def waterfall(
    turns: Sequence[Flow] | Sequence[TurnRows],
    width: int = 80,
    *,
    shown: Mapping[int, Sequence[str]] = {},
) -> list[str]:
    """Lines of at most so many characters. `shown` are the texts that the user was shown in each
    turn, where anybody knows. Times are seconds since the turn was due; a bar lies between its due
    and its last end."""
    lines: list[str] = []
    for turn in turns:
        told = _of_flow(turn) if isinstance(turn, Flow) else _of_rows(*turn)
        lines += _lines(told, shown.get(told.number, ()), width)
    return lines


def conversation_of(
    columns: Columns, variant: str, round_: int, conversation: int
) -> list[TurnRows]:
    """The turns of one conversation out of a run, in their order."""
    turns, spans = columns.turns, columns.spans
    part = Columns(
        _only(turns, Turns, variant, round_, conversation),
        _only(spans, Spans, variant, round_, conversation),
    )
    rows = rows_of(part)
    return [(turn, [span for span in rows.spans if span.turn == turn.turn]) for turn in rows.flows]


@dataclass(frozen=True, slots=True)
class _Call:
    stage: str
    provider: str
    start_s: float
    end_s: float
    status: int
    attempt: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Seconds are by the clock of whoever played it; `end_s` is None while it is not over."""

    number: int
    wish: str
    outcome: str
    due_s: float
    end_s: float | None
    fault: str
    calls: Sequence[_Call]


def _of_flow(flow: Flow) -> _Turn:
    return _Turn(
        number=flow.turn,
        wish=_wish(flow.amount_minor, flow.currency, flow.method),
        outcome=flow.outcome if flow.end is not None else "running",
        due_s=flow.due,
        end_s=flow.end,
        fault=flow.cause,
        calls=[
            _Call(
                span.stage, span.provider, span.start, span.end, span.status, span.attempt,
                span.fault,
            )
            for span in flow.spans
        ],
    )  # fmt: skip


def _of_rows(row: FlowRow, spans: Sequence[SpanRow]) -> _Turn:
    return _Turn(
        number=row.turn,
        wish=_wish(row.amount_minor, row.currency, row.method),
        outcome=row.outcome,
        due_s=row.due_s,
        end_s=row.end_s,
        fault="",
        calls=[
            _Call(of.stage, of.provider, of.start_s, of.end_s, of.status, of.attempt)
            for of in spans
        ],
    )


def _wish(amount_minor: int, currency: str, method: str) -> str:
    if not amount_minor:
        return f"a question about {method}" if method else "no payment"
    by = f" with {method}" if method else ""
    return f"{major(amount_minor)} {currency}{by}"


_STAGE, _PROVIDER, _TIME, _STATUS = 10, 12, 9, 9
"""Widths."""


def _lines(turn: _Turn, shown: Sequence[str], width: int) -> list[str]:
    took = "" if turn.end_s is None else f" after {turn.end_s - turn.due_s:.3f} s"
    head = f"turn {turn.number}, due at {turn.due_s:.3f} s: {turn.wish}: {turn.outcome}{took}"
    lines = _folded(head, "", width)
    if turn.fault:
        lines += _folded(f"ended by {turn.fault}", "  ", width)
    for text in shown:
        lines += _folded(f'told: "{text}"', "  ", width)
    calls = sorted(turn.calls, key=lambda of: (of.start_s, of.end_s, of.stage, of.attempt))
    last_s = max([turn.end_s or turn.due_s, *(call.end_s for call in calls)])
    for call in calls:
        since = replace(call, start_s=call.start_s - turn.due_s, end_s=call.end_s - turn.due_s)
        lines += _call(since, last_s - turn.due_s, width)
    return lines


def _call(call: _Call, whole_s: float, width: int) -> list[str]:
    """A line, and another for a fault that does not fit in."""
    stage = call.stage if call.attempt == 1 else f"{call.stage} #{call.attempt}"
    status = str(call.status) if call.status else "no answer" if call.provider else ""
    times = f"{call.start_s:>{_TIME}.3f} {call.end_s:>{_TIME - 1}.3f}"
    head = f"  {_cut(stage, _STAGE)} {_cut(call.provider or 'app', _PROVIDER)}{times} "
    room = max(4, width - len(head) - _STATUS - 3)
    line = f"{head}|{_bar(call, whole_s, room)}| {status}".rstrip()
    return [line, *(_folded(call.fault, " " * 13, width) if call.fault else [])]


def _bar(call: _Call, whole_s: float, room: int) -> str:
    """At least one mark, however short the call was."""
    if whole_s <= 0:
        return "=" + " " * (room - 1)
    first = min(room - 1, max(0, int(call.start_s / whole_s * room)))
    end = min(room, max(first + 1, round(call.end_s / whole_s * room)))
    return " " * first + "=" * (end - first) + " " * (room - end)


def _cut(text: str, width: int) -> str:
    return f"{text[: width - 1]}." if len(text) > width else text.ljust(width)


def _folded(text: str, indent: str, width: int) -> list[str]:
    plain = " ".join(text.split())
    return wrap(plain, width, initial_indent=indent, subsequent_indent=f"{indent}  ")


def _only(
    columns: ShapeT, shape: type[ShapeT], variant: str, round_: int, conversation: int
) -> ShapeT:
    at = (columns.round == round_) & (columns.conversation == conversation)
    rows = np.flatnonzero(at & columns.variant.holds(variant))
    arrays = {field.name: getattr(columns, field.name) for field in fields(shape)}
    return made(
        shape,
        {
            name: Text(of.names, of.codes[rows]) if isinstance(of, Text) else of[rows]
            for name, of in arrays.items()
        },
    )
