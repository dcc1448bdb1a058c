"""Ends orders at UnionPay's test gateway: what is paid is undone, all else runs out by itself.

This wire closes nothing. An order can be paid until its payTimeout and not after, so until then it
is open, and nothing can be done about it; the number that a phone could pay was shown to nobody.
"""

import re

from harness.providers import unionpay as wire
from harness.providers.call import Endpoint, Unreachable
from harness.providers.unionpay.codes import GOOD, NOT_FOUND, PENDING
from harness.providers.unionpay.message import stamp
from harness.providers.unionpay.transactions import REFUND, UNDO, Back, Kind, Query, order_id
from harness.real.closing.closer import ANOTHERS, Caller, Over, Stays, Step
from harness.real.journal import Entry

BACK_BEFORE = "45"
"""The purchase was undone or given back before."""


class UnionpayCloser:
    def __init__(self, at: Endpoint) -> None:
        self._at = at

    async def step(self, caller: Caller, entry: Entry) -> Step:
        told = await self._ask(caller, Query(entry.order_no, entry.txn_time))
        if told.refused and told.resp_code != NOT_FOUND:
            return Stays(f"refused: {told.resp_code}")
        if told.txn_amt not in ("", str(entry.amount_minor)):
            return ANOTHERS
        if told.orig_resp_code in GOOD:
            return await self._undo(caller, entry, told)
        return _unpaid(entry.ends_at, stamp(caller.now_s()))

    async def _undo(self, caller: Caller, entry: Entry, paid: wire.Reply) -> Step:
        """Of the same day; later the money is given back."""
        for kind in (UNDO, REFUND):
            if await self._is_back(caller, entry, paid, kind):
                return Over("refunded")
        return Stays("it is paid, and can be neither undone nor given back")

    async def _is_back(self, caller: Caller, entry: Entry, paid: wire.Reply, kind: Kind) -> bool:
        """That it was taken on is no more than that, so it is asked after. Each try has a number of
        its own: the gateway gives back no more than was paid, whatever the number."""
        at = stamp(caller.now_s())
        number = order_id(entry.order_no, kind, caller.nonce())
        asked = Back(kind, number, at, entry.amount_minor, paid.query_id)
        told = await self._ask(caller, asked)
        if told.refused:
            return told.resp_code == BACK_BEFORE
        made = await self._ask(caller, Query(number, at))
        if made.resp_code == NOT_FOUND or made.orig_resp_code in PENDING:
            raise Unreachable("nothing tells yet whether the money goes back")
        return made.orig_resp_code in GOOD

    async def _ask(self, caller: Caller, asked: Query | Back) -> wire.Reply:
        return await caller.call(wire.ask(self._at, asked, caller.now_s()))


def _unpaid(ends_at: str, now: str) -> Step:
    """Both as this wire writes a time, so that the later one is the greater."""
    if not re.fullmatch("[0-9]{14}", ends_at):
        return Stays("nothing can close it, and nobody noted when it ends", again=False)
    if now > ends_at:
        return Over("ran out")
    ends = f"{ends_at[:4]}-{ends_at[4:6]}-{ends_at[6:8]}T{ends_at[8:10]}:{ends_at[10:12]}"
    told = "nothing can close it, nobody can pay it, and it ends by itself at"
    return Stays(f"{told} {ends}:{ends_at[12:]}+08:00: reap again then", again=False)
