"""What a scenario demands of its parameters, told all at once; it knows no parameter itself."""

from collections.abc import Mapping

MOST_MINOR = 1_000_000_000
MONTH_S = 30 * 86_400.0


def demand(rules: Mapping[str, bool]) -> None:
    """Raises ValueError that names every rule broken; NaN breaks each rule it stands in."""
    broken = [rule for rule, kept in rules.items() if not kept]
    if broken:
        raise ValueError("; ".join(broken))


def turns_rule(turns: int) -> dict[str, bool]:
    return {"turns must be at least 1": turns >= 1}


def shares_rule(*shares: float) -> dict[str, bool]:
    return {"each share must be from 0 to 1": all(0 <= share <= 1 for share in shares)}


def amounts_rule(least: int, most: int) -> dict[str, bool]:
    return {
        "amount_min_minor must be at least 1, and amount_max_minor not below it": (
            1 <= least <= most
        ),
        f"amount_max_minor must not be above {MOST_MINOR:,}": most <= MOST_MINOR,
    }


def seconds_rule(low: str, low_s: float, high: str, high_s: float) -> dict[str, bool]:
    rule = f"{low} must be above 0, {high} not below it, and neither above 30 days"
    return {rule: 0 < low_s <= high_s <= MONTH_S}


def think_rule(think_s: float) -> dict[str, bool]:
    return {"think_s must be from 0 to 30 days": 0 <= think_s <= MONTH_S}
