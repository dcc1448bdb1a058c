"""How many calls failed for which cause, of each stage; it says of no call why it failed."""

from collections import Counter

MOST_CAUSES = 50
"""Of one stage, each by its own name. A server that words every refusal anew must not fill a table
that is kept, sent and shown whole."""
OTHER = "other"
"""What all the rest is counted as."""

Causes = Counter[tuple[str, str]]
"""Stage and cause -> calls."""


def count_cause(causes: Causes, stage: str, cause: str, calls: int = 1) -> str:
    """Count them; returned is the cause that they are counted as: OTHER where the stage has as many
    as may be told apart."""
    if (stage, cause) not in causes and _distinct(causes, stage) >= MOST_CAUSES:
        cause = OTHER
    causes[stage, cause] += calls
    return cause


def merge_causes(causes: Causes, more: Causes) -> None:
    """Add what others counted, the most frequent first, so that it is what keeps its name."""
    for (stage, cause), calls in sorted(more.items(), key=lambda item: (-item[1], item[0])):
        count_cause(causes, stage, cause, calls)


def _distinct(causes: Causes, stage: str) -> int:
    return sum(1 for of, cause in causes if of == stage and cause != OTHER)
