"""Samples out of a run that tollbench has stored: its calls, as they were seen; it changes none."""

from pathlib import Path

from harness import record
from harness.calibrate.samples import UNFINISHED, BadRecording, Sample, Told
from harness.flow.flow import NO_CALLS


def read(folder: Path) -> tuple[Told, str]:
    """With the hash of its rows. Local steps, notices and the opening of connections are no calls
    and are left out. What strategies did at once in a round stays apart: that is one after the
    other as if each had run alone."""
    try:
        stored = record.read(folder)
    except record.BadRun as error:
        raise BadRecording(str(error)) from None
    told = Told(first_known=True)
    calls = [
        row
        for row in record.rows_of(stored.columns).spans
        if row.provider and row.stage not in NO_CALLS
    ]
    calls.sort(key=lambda row: (row.round, row.variant, row.start_s))
    for n, row in enumerate(calls):
        if row.status == 0:
            told.skip(f"failed, or {UNFINISHED}")
            continue
        told.add(
            Sample(
                stage=row.stage,
                provider=row.provider,
                first_token_s=_after(row.start_s, row.first_token_s),
                total_s=_after(row.start_s, row.end_s),
                status=row.status,
            ),
            n,
        )
    return told, record.sha256(stored.columns)


def _after(start_s: float, at_s: float) -> float:
    """To a billionth, as differences of large numbers have no more."""
    return round(at_s - start_s, 9)
