"""UnionPay's gateway: orders that a phone pays or that run out, undoing, refunds, and queries.

It decides at a request's arrival and answers when the delay is over. A transaction is known by its
own number; that number again is refused as a repeated one, whatever else it says (the real gateway
goes by number and time). Money back is back at once, where the real one takes it on and tells
later. Not modelled: notices, pre-authorisation, that only a purchase of the same day can be undone,
limits by card or merchant, and how often a query may be sent.
"""

from dataclasses import dataclass
from typing import Literal

import httpx
from msgspec import structs

from harness import draws
from harness.answer import Answer
from harness.providers import unionpay as wire
from harness.providers.unionpay.message import Signer, stamp
from harness.providers.unionpay.transactions import CURRENCIES, UNDO, Asked, Back, NewOrder, Query
from mocks.desk import Guest
from mocks.faults.unknown_keys import told_by
from mocks.ledger import Entry, Ledger, No, Refused, Terms, declines
from mocks.profile import PaymentProfile
from mocks.setting import Setting
from mocks.unionpay_keys import credentials, merchants, signer, stranger
from mocks.unionpay_lies import lie

_DECLINED = "61"
"""What is said of a payer whom the books decline; another may pay then."""
_PAYABLE = ("05", _DECLINED)
_UNREFUNDABLE: dict[No, str] = {
    "not_found": "35",
    "closed": "45",
    "exceeds": "36",
    "other_terms": "36",
    "malformed": "10",
}


@dataclass(slots=True)
class _Transaction:
    """One that was taken on, by its own number. `code` is how it ended, "05" while nobody knows."""

    at: str
    amount_minor: int
    query_id: str
    code: str
    order: Entry
    until: str = ""


class Unionpay:
    """A mock is a function of a request; the state behind it is its transactions and books. `key`
    opens nothing here: merchants sign with a pair of keys."""

    runs_out: Literal[True] = True

    def __init__(self, setting: Setting, profile: PaymentProfile, *, key: str = "") -> None:
        fee = profile.fee
        self.ledger = Ledger(
            lambda terms: fee.of(terms.amount_minor, setting.exchange(fee.currency, terms.currency))
        )
        self._setting = setting
        self._clock = setting.clock
        self._desk = setting.desk(wire.NAME, profile.limits)
        self._overhead = profile.overhead
        self._merchants = merchants()
        self._signer = signer()
        self._known: dict[str, _Transaction] = {}
        self._by_tn: dict[str, _Transaction] = {}
        self._by_query_id: dict[str, _Transaction] = {}

    def decide(self, request: httpx.Request) -> Answer:
        guest = self._desk.arrive(request)
        asked = wire.decode_request(request, self._merchants)
        if isinstance(asked, wire.NoSuchPath):
            return self._desk.refuse(guest, *wire.encode_no_such_path())
        if isinstance(asked, wire.KeysRequest):
            return self._desk.refuse(guest, *wire.encode_keys(credentials()))
        if turned := self._desk.turned_away(guest):
            late = wire.Unfit("37" if turned.why == "rate_limited" else "06")
            return self._desk.refuse(guest, *self._unfit(late))
        delay_s = draws.microseconds(self._desk.delays.overhead_s(guest.key, self._overhead))
        return self._desk.answer(guest, delay_s, *self._answer(guest, asked))

    def _answer(
        self, guest: Guest, asked: wire.Signed | wire.Submitted | wire.Unfit
    ) -> tuple[int, dict[str, str], bytes]:
        now = stamp(self._clock.unix_s())
        match asked:
            case wire.Submitted():
                return wire.encode_paid(self._pay(asked, now))
            case wire.Unfit():
                return self._unfit(asked)
            case wire.Signed():
                return wire.encode_reply(asked, *self._told(guest, asked.asked, now))

    def _told(self, guest: Guest, asked: Asked, now: str) -> tuple[wire.Reply, Signer]:
        """What is answered, and who signs it."""
        true = self._decide(asked, now)
        another = lambda: (lie(asked, true), stranger())  # noqa: E731
        return told_by(self._setting, wire.NAME, guest.key, (true, self._signer), another)

    def _unfit(self, why: wire.Unfit) -> tuple[int, dict[str, str], bytes]:
        return wire.encode_reply(why, wire.Reply(resp_code=why.code), self._signer)

    def _decide(self, asked: Asked, now: str) -> wire.Reply:
        match asked:
            case Query():
                return self._stands(asked, now)
            case NewOrder():
                return self._order(asked)
            case Back():
                return self._give_back(asked, now)

    def _order(self, asked: NewOrder) -> wire.Reply:
        if asked.order_id in self._known:
            return wire.Reply(resp_code="12")
        currency = _CURRENCIES.get(asked.currency)
        if currency is None:
            return wire.Reply(resp_code="10")
        terms = Terms(asked.order_id, "", "", asked.amount_minor, currency, wire.NAME)
        entry = self.ledger.open(terms)
        assert isinstance(entry, Entry), "every number here is a new one"
        made = self._keep(asked.order_id, asked.at, asked.amount_minor, "05", entry)
        made.until = asked.until
        tn = made.query_id
        self._by_tn[tn] = made
        return wire.Reply(resp_code="00", tn=tn)

    def _pay(self, asked: wire.Submitted, now: str) -> bool:
        """Whether it is paid now; a second time changes nothing."""
        order = self._by_tn.get(asked.tn)
        if order is None or self._code(order, now) not in _PAYABLE:
            return False
        terms = order.order.terms
        assert terms is not None
        if declines(structs.replace(terms, user=asked.payer)):
            order.code = _DECLINED
            return False
        self.ledger.capture(terms)
        order.code = "00"
        return True

    def _stands(self, asked: Query, now: str) -> wire.Reply:
        found = self._known.get(asked.order_id)
        if found is None or found.at != asked.at:
            return wire.Reply(resp_code="34")
        return wire.Reply(
            resp_code="00",
            txn_amt=str(found.amount_minor),
            query_id=found.query_id,
            orig_resp_code=self._code(found, now),
        )

    def _give_back(self, asked: Back, now: str) -> wire.Reply:
        if asked.order_id in self._known:
            return wire.Reply(resp_code="12")
        paid = self._by_query_id.get(asked.of_query_id)
        if paid is None or self._code(paid, now) != "00":
            return wire.Reply(resp_code="35")
        booked = self._book(asked, paid)
        if isinstance(booked, Refused):
            return wire.Reply(resp_code=_UNREFUNDABLE[booked.no])
        made = self._keep(asked.order_id, asked.at, asked.amount_minor, "00", booked)
        return wire.Reply(resp_code="00", query_id=made.query_id)

    def _book(self, asked: Back, paid: _Transaction) -> Entry | Refused:
        order_no = paid.order.order_no
        if asked.kind != UNDO:
            return self.ledger.refund(order_no, asked.order_id, asked.amount_minor)
        if asked.amount_minor != paid.amount_minor:
            return Refused("other_terms", "a purchase is undone as a whole")
        if paid.order.state == "voided":
            return Refused("closed", "it was undone before")
        return self.ledger.void(order_no)

    def _keep(
        self, number: str, at: str, amount_minor: int, code: str, entry: Entry
    ) -> _Transaction:
        query_id = f"{len(self._known) % 10**6:06d}{at}8"
        made = _Transaction(at, amount_minor, query_id, code, entry)
        self._known[number] = self._by_query_id[query_id] = made
        return made

    def _code(self, of: _Transaction, now: str) -> str:
        """An order that nobody has paid in time has failed, and is closed from then on."""
        if of.code in _PAYABLE and of.until < now:
            of.code = "01"
            self.ledger.void(of.order.order_no)
        return of.code


_CURRENCIES = {number: name for name, number in CURRENCIES.items()}
