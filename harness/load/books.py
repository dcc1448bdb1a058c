"""An arm's payments held against the books of its world, and what of it goes into a tally; it
decides by no rule itself."""

from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import structs

from harness.books import Account, Belief, Order, Trespass, owed, place_of
from harness.load.engine import Arm, Tally
from harness.reconcile import RULES, Breach, Reconciliation, reconcile
from harness.record.reconciliation import (
    KEPT_BREACHES,
    BreachSummary,
    ReconciliationSummary,
    merged,
)

BOOKS_ALONE = ("conservation", "own tokens", "no secret")
"""What books tell by themselves, whatever the app meant by a turn."""

Own = Callable[[Order | Trespass], bool]
"""Whether an order, or a trespass, is of those that are to be judged."""


async def hold_against_books(arms: Sequence[Arm], tally: Tally) -> None:
    """Every arm's, once nothing is in flight any more; into the tally. Where nobody tells an arm's
    books, or nothing was paid, nothing comes of it."""
    for arm in arms:
        accounts = None if arm.books is None else await arm.books()
        if accounts is not None:
            found = judged(arm, accounts)
            if found.orders or found.believed or found.breached:
                tally.books = merged(tally.books, found)


def judged(arm: Arm, accounts: Sequence[Account]) -> ReconciliationSummary:
    """The arm's app against these books."""
    beliefs = arm.world.beliefs
    found = reconcile(
        accounts,
        beliefs,
        leaks=beliefs.secrets if beliefs else 0,
        cut=arm.cut,
        forgotten=beliefs.forgotten if beliefs else 0,
        rules=arm.rules,
    )
    return told(found, arm.name, arm.world.round, beliefs.forgotten if beliefs else 0)


def judged_share(
    arm: Arm, accounts: Sequence[Account], played: Collection[int]
) -> ReconciliationSummary:
    """The same where others pay into these books as well: of the conversations that were played
    here."""
    return judged(arm, part_of(accounts, lambda of: _conversation(of) in played))


def judged_beside(arm: Arm, accounts: Sequence[Account]) -> ReconciliationSummary:
    """What none of the conversations is at fault for, in books that several share: breaches
    alone."""
    found = reconcile(accounts, None, rules=BOOKS_ALONE)
    told = (_told(breach, arm.name, arm.world.round) for breach in found.breaches)
    breaches = [breach for breach in told if breach.conversation < 0]
    return ReconciliationSummary(breached=len(breaches), breaches=breaches[:KEPT_BREACHES])


def judged_of(
    variant: str,
    accounts: Sequence[Account] | None,
    beliefs: Iterable[Belief] | None,
    cut: Iterable[str],
    forgotten: int,
) -> ReconciliationSummary | None:
    """The same of an app whose processes have ended, and have told what they believed."""
    if accounts is None:
        return None
    rules = BOOKS_ALONE if beliefs is None else RULES
    found = reconcile(accounts, beliefs, cut=frozenset(cut), forgotten=forgotten, rules=rules)
    return told(found, variant, 0, forgotten)


def told(
    found: Reconciliation, variant: str, round_: int, forgotten: int = 0
) -> ReconciliationSummary:
    """As it stands in run.json. What names no turn is of that round."""
    return ReconciliationSummary(
        orders=found.orders,
        believed=found.believed,
        captured_minor=dict(found.captured_minor),
        refunded_minor=dict(found.refunded_minor),
        fees_minor=dict(found.fees_minor),
        settled_minor=dict(found.settled_minor),
        unknown=found.unknown,
        cut_off=found.cut_off,
        forgotten=forgotten,
        breached=len(found.breaches),
        breaches=[_told(of, variant, round_) for of in found.breaches[:KEPT_BREACHES]],
    )


def part_of(accounts: Sequence[Account], own: Own) -> list[Account]:
    """Books with some orders alone, as others have theirs in them too. What is settled of a part is
    what its movements add up to."""
    return [_part_of(account, own) for account in accounts]


def _part_of(account: Account, own: Own) -> Account:
    orders = [order for order in account.orders if own(order)]
    numbers = {order.order_no for order in orders}
    movements = [of for of in account.movements if of.order_no in numbers]
    return structs.replace(
        account,
        orders=orders,
        movements=movements,
        settled_minor=owed(movements),
        trespasses=[of for of in account.trespasses if own(of)],
    )


def _conversation(of: Order | Trespass) -> int:
    """-1 where it names none."""
    place = place_of(of.intent)
    return place[1] if place else -1


def _told(breach: Breach, variant: str, round_: int) -> BreachSummary:
    round_, conversation, turn = place_of(breach.intent) or (round_, -1, 0)
    return BreachSummary(
        rule=breach.rule,
        lane=breach.lane,
        order_no=breach.order_no,
        variant=variant,
        round=round_,
        conversation=conversation,
        turn=turn,
        why=breach.why,
    )
