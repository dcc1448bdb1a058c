"""The search query language of the Stripe API, as far as PaymentIntents are found by it; pure.

    status:'succeeded' AND metadata['order_no']:'o-1' AND amount>1000

Negation, OR, NULL and substrings are refused. Source: Stripe documentation, "Search".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt

from harness.providers.stripe.form import Unfit
from harness.providers.stripe.objects import PaymentIntent


@dataclass(frozen=True, slots=True)
class Clause:
    """`key` is that of a metadata field, "" for any other."""

    field: str
    key: str
    operator: str
    value: str

    def holds(self, intent: PaymentIntent) -> bool:
        if self.field == "metadata":
            return intent.metadata.get(self.key) == self.value
        stands = getattr(intent, self.field)
        if self.field in _NUMBERS:
            return bool(_COMPARE[self.operator](stands, int(self.value)))
        return bool(stands == self.value)


def by_metadata(key: str, value: str) -> str:
    """The query for intents with that metadata."""
    return f"metadata['{_quoted(key)}']:'{_quoted(value)}'"


def parse(query: str) -> list[Clause]:
    """All of which must hold; or Unfit."""
    clauses, at = [], 0
    while found := _CLAUSE.match(query, at):
        clauses.append(_clause(found.groupdict()))
        if found.end() == len(query):
            return clauses
        joined = _AND.match(query, found.end())
        if joined is None:
            break
        at = joined.end()
    raise Unfit(
        "We were unable to parse your search query. It takes clauses such as "
        "metadata['key']:'value', status:'succeeded' or amount>1000, joined by AND.",
        "query",
    )


def _clause(found: Mapping[str, str | None]) -> Clause:
    field, key, operator = found["field"] or "metadata", found["key"] or "", found["operator"] or ""
    text, number = found["text"], found["number"]
    if (field in _NUMBERS) != (number is not None) or (text is not None and operator != ":"):
        raise Unfit(f"Field `{field}` cannot be searched by such a value.", "query")
    return Clause(field, _plain(key), operator, number or _plain(text or ""))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


_NUMBERS: Sequence[str] = ("amount", "created")
_COMPARE = {":": eq, ">": gt, "<": lt, ">=": ge, "<=": le}
_TEXT = r"(?:[^'\\]|\\.)*"
_CLAUSE = re.compile(
    rf"\s*(?:metadata\['(?P<key>{_TEXT})'\]|(?P<field>status|currency|customer|amount|created))"
    rf"(?P<operator>:|[<>]=?)(?:'(?P<text>{_TEXT})'|(?P<number>[0-9]{{1,15}}))\s*",
    re.DOTALL,
)
_AND = re.compile(r"(?<=\s)and\s", re.IGNORECASE)
