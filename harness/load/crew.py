"""The engines of a conducted run: what each has told of itself, and what of it is lost when it
dies. It judges none."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from harness.load.causes import Causes, count_cause
from harness.load.engine import Tally
from harness.load.pipe import Account, Counts, Gone, Part
from harness.load.plan import Plan
from harness.load.strain import Strain
from harness.record import EngineSummary
from harness.record.reconciliation import ReconciliationSummary, merged

State = Literal["running", "ended", "lost"]


@dataclass(slots=True)
class Member:
    """One engine, under the name of its worker."""

    name: str
    counts: Counts = field(default_factory=Counts)
    state: State = "running"
    why: str = ""
    """How it was lost."""
    at_s: float = 0.0
    """When it was last heard, since the origin; of a lost one, when that was noticed."""

    @property
    def open(self) -> int:
        """Turns that have started, and of whose end nothing is known."""
        counts = self.counts
        return counts.started - counts.finished - counts.failed - counts.running


class Crew:
    """All engines. Those that the run began with are named; others may be heard later."""

    def __init__(self, names: Iterable[str], plan: Plan) -> None:
        self.plan = plan
        self.causes = Causes()
        self.strain = Strain()
        self.leaks = 0
        self.fault = ""
        self._books: ReconciliationSummary | None = None
        self._beside: ReconciliationSummary | None = None
        self.elapsed_s = 0.0
        """The latest that was heard, since the origin."""
        self._members = {name: Member(name) for name in names}

    @property
    def members(self) -> list[Member]:
        return list(self._members.values())

    def member(self, name: str) -> Member:
        """The engine of that name, and a new one where none was known by it."""
        return self._members.setdefault(name, Member(name))

    def part(self, name: str, part: Part) -> None:
        """What has come of it since the last; also where it is held to be lost, and was late."""
        self._hear(name, part.at_s, part.counts)
        self.strain.loop_lags_ms.extend(part.loop_lags_ms)
        for stage, cause, count in part.causes:
            count_cause(self.causes, stage, cause, count)

    def account(self, name: str, account: Account) -> None:
        """Its last word. One that is held to be lost stays so, but what it knew is known."""
        member = self._hear(name, account.at_s, account.counts)
        if member.state == "running":
            member.state = "ended"
        self.strain.note(account.cpu_share, account.connections, account.calls)
        self.leaks += account.leaks
        self.fault = self.fault or account.fault
        self._books = merged(self._books, account.books)
        # Breaches are only added to: who has found the most has seen the most of the books.
        if account.beside is not None and account.beside.breached >= self._breached_beside:
            self._beside = account.beside

    def gone(self, gone: Gone) -> None:
        """One that has given its account cannot be lost any more."""
        member = self.member(gone.worker)
        if member.state == "running":
            member.state, member.why, member.at_s = "lost", gone.why, gone.at_s
            self.elapsed_s = max(self.elapsed_s, gone.at_s)

    def summaries(self) -> list[EngineSummary]:
        return [self.summary(member) for member in self.members]

    def summary(self, member: Member) -> EngineSummary:
        """What is open of one that runs is running, and of one that died is lost."""
        counts, lost = member.counts, member.state == "lost"
        return EngineSummary(
            name=member.name,
            due=max(counts.due, self.plan.due(member.name)) if lost else counts.due,
            started=counts.started,
            finished=counts.finished,
            failed=counts.failed,
            running=counts.running + (0 if lost else member.open),
            lost=member.open if lost else 0,
            died=member.why if lost else "",
        )

    def tally(self) -> Tally:
        """All of them together, without rows."""
        of = self.summaries()
        return Tally(
            due=sum(one.due for one in of),
            started=sum(one.started for one in of),
            finished=sum(one.finished for one in of),
            failed=sum(one.failed for one in of),
            running=sum(one.running for one in of),
            lost=sum(one.lost for one in of),
            leaks=self.leaks,
            fault=self.fault,
            causes=self.causes,
            workers=max(1, len(of)),
            strain=self.strain,
            books=merged(self._books, self._beside),
        )

    @property
    def _breached_beside(self) -> int:
        return 0 if self._beside is None else self._beside.breached

    def _hear(self, name: str, at_s: float, counts: Counts) -> Member:
        member = self.member(name)
        member.counts = counts
        if member.state != "lost":
            member.at_s = at_s
        self.elapsed_s = max(self.elapsed_s, at_s)
        return member
