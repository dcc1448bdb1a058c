"""How the failures of two runs are put into words, beside what they took; it prints nothing and
computes no statistic."""

from collections.abc import Sequence

from harness.record import Verdict
from harness.stats.failures import FailureRow

SIGNS = (
    "failures: p is the chance that they lie so unevenly, were both as likely to have each; exact, "
    "of whole rounds, so that a burst of failures counts once"
)
SIGNS_OF_TURNS = (
    "failures: p is McNemar's exact test of the turns that failed in one of both only. It takes "
    "each to fail for itself: there are too few rounds to tell bursts apart"
)
UNJUDGED = "failures are told and not judged: the runs are not paired"

_SAID: tuple[Verdict, ...] = ("regressed", "cannot tell")


def failure_sentence(rows: Sequence[FailureRow], names: tuple[str, str]) -> str:
    """What is to be said before the answer; "" where B, by its name the second, is not seen to fail
    more often than A."""
    a, b = names
    for verdict in _SAID:
        some = [row for row in rows if row.verdict == verdict]
        if some:
            most = max(some, key=lambda row: row.b_failed / max(1, row.b_turns))
            doubt = "" if verdict == "regressed" else "cannot tell whether "
            where = f" of {most.strategy}, the most of {len(some)}," if len(some) > 1 else ""
            theirs, ours = _shares(most)
            return f"{doubt}{b} fails more often than {a}: {ours} turns{where} against {theirs}"
    return ""


def told_failures(rows: Sequence[FailureRow]) -> list[FailureRow]:
    """Those of which there is something to tell."""
    return [row for row in rows if row.a_failed or row.b_failed]


def failure_cells(row: FailureRow, names: tuple[str, str]) -> list[str]:
    """The strategy, how many failed of how many in A and in B, in one of both only, and the verdict
    as it is printed."""
    return [row.strategy, *_shares(row), _one_sided(row, names), _word(row)]


def failure_notes(rows: Sequence[FailureRow]) -> list[str]:
    """How what is told of them was judged."""
    told = told_failures(rows)
    if not told:
        return []
    if told[0].p is None:
        return [UNJUDGED]
    return [SIGNS if told[0].unit == "round" else SIGNS_OF_TURNS]


def _shares(row: FailureRow) -> tuple[str, str]:
    return f"{row.a_failed} of {row.a_turns}", f"{row.b_failed} of {row.b_turns}"


def _one_sided(row: FailureRow, names: tuple[str, str]) -> str:
    """`0 in base only, 35 in head only, p 0.002`; "" where the runs are not paired."""
    p = row.p if row.p_holm is None else row.p_holm
    if p is None:
        return ""
    return f"{row.a_only} in {names[0]} only, {row.b_only} in {names[1]} only, p {p:.2g}"


def _word(row: FailureRow) -> str:
    return "not judged" if row.p is None else row.verdict
