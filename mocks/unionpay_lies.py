"""What a stranger tells in UnionPay's place: another end than the true one, in its own words.

It signs nothing and changes no transaction.
"""

from msgspec.structs import replace

from harness.providers.unionpay import Reply
from harness.providers.unionpay.codes import GOOD
from harness.providers.unionpay.transactions import Asked, Back, NewOrder, Query

_NOBODYS = f"{0:021d}"
"""In place of the gateway's own number, where there is none."""


def lie(asked: Asked, true: Reply) -> Reply:
    """In place of what is true."""
    match asked:
        case NewOrder():
            return Reply(resp_code="00", tn=_NOBODYS) if true.refused else Reply(resp_code="61")
        case Query() if true.orig_resp_code in GOOD:
            return replace(true, orig_resp_code="61")
        case Query():
            query_id = true.query_id or _NOBODYS
            return replace(true, resp_code="00", query_id=query_id, orig_resp_code="00")
        case Back():
            done = Reply(resp_code="00", query_id=_NOBODYS)
            return done if true.refused else Reply(resp_code="36")
