"""The wire of UnionPay's online gateway, version 5.1.0, as far as an app's order needs it.

It plays no role. Shapes are those of the official SDK's samples (acpsdk for Java, PHP and C#) and
of answers of the test gateway that users published.

    POST /gateway/api/appTransReq.do    txnType 01, a purchase  -> tn, which a phone can pay
    POST /gateway/api/queryTrans.do     txnType 00, by number and time  -> origRespCode
    POST /gateway/api/backTransReq.do   txnType 31, undo the whole, or 04, a refund

Every message is signed; message.py says how. A good respCode of the first says that the order was
made, and of the last that it was taken on: how it went only a query tells. Nothing closes an order:
it ends by its payTimeout.

Ours, as no public wire has them, are POST /client/pay, a user's phone that pays a tn, and
GET /_keys, a mock's credentials. Not modelled: notices (backUrl is required, and names one that
nobody can reach), signing by SM3 or by a secret, encrypted card data, files, pre-authorisation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar, assert_never
from urllib.parse import urlencode

import httpx
import msgspec

from harness.providers.call import (
    UNREADABLE,
    Call,
    Endpoint,
    Malformed,
    fault_of,
    parse,
    request_of,
)
from harness.providers.unionpay.codes import GOOD, WORDS, fault_of_code
from harness.providers.unionpay.message import (
    CERTIFICATE,
    COMMON,
    Signer,
    body_of,
    fields_of_answer,
    fields_of_form,
    is_believed,
    is_signed,
    signed,
)
from harness.providers.unionpay.transactions import (
    BACK_PATH,
    ORDER_PATH,
    QUERY_PATH,
    Asked,
    Back,
    NewOrder,
    Query,
    asked_of,
    fields_of,
    path_of,
)

NAME = "unionpay"
HOSTS = ("gateway.test.95516.com",)
"""The test gateway. The other one, gateway.95516.com, moves money."""
CLIENT_PATH, KEYS_PATH = "/client/pay", "/_keys"


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An answer, good or refused; each kind fills in a part of it."""

    resp_code: str = ""
    resp_msg: str = ""
    mer_id: str = ""
    order_id: str = ""
    txn_time: str = ""
    txn_type: str = ""
    txn_amt: str = ""
    tn: str = ""
    query_id: str = ""
    orig_qry_id: str = ""
    orig_resp_code: str = ""
    orig_resp_msg: str = ""

    @property
    def refused(self) -> bool:
        return self.resp_code not in GOOD


class Keys(msgspec.Struct, frozen=True):
    """A mock's credentials. They open nothing but a mock."""

    mer_id: str
    cert_id: str
    merchant_private_key: str
    roots: str

    def __repr__(self) -> str:
        return f"Keys({self.mer_id})"


class Paid(msgspec.Struct, frozen=True):
    """What the control within an app says after a phone paid: "success", "fail" or "cancel"."""

    pay_result: str


Own = TypeVar("Own", Keys, Paid)


# Client side


def ask(at: Endpoint, asked: Asked, now_s: float) -> Call[Reply]:
    """`now_s` is the time of day, at which the certificate of the answer must be valid."""
    fields = {**fields_of(asked), "merId": at.account, "certId": at.key_id}
    form = urlencode(signed(at.key, fields)).encode()
    request = request_of("POST", at.url(path_of(asked)), _FORM, form)
    return Call(NAME, request, lambda status, _, body: _reply(at, asked, now_s, status, body))


def submit(at: Endpoint, tn: str, payer: str) -> Call[Paid]:
    """The user's phone pays."""
    form = urlencode({"tn": tn, "payer": payer}).encode()
    request = httpx.Request("POST", at.url(CLIENT_PATH), headers=_FORM, content=form)
    return Call(NAME, request, lambda status, _, body: _own(status, body, Paid))


def fetch_keys(base_url: str) -> Call[Keys]:
    request = httpx.Request("GET", httpx.URL(base_url + KEYS_PATH))
    return Call(NAME, request, lambda status, _, body: _own(status, body, Keys))


# Server side


@dataclass(frozen=True, slots=True)
class Merchant:
    """One that the gateway knows: the number of its certificate, and its public key."""

    cert_id: str
    public_pem: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that a known merchant has signed, and that is whole."""

    mer_id: str
    asked: Asked


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a user's phone pays."""

    tn: str
    payer: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A request that cannot be carried out, and its respCode."""

    code: str


@dataclass(frozen=True, slots=True)
class KeysRequest:
    """Asks for a mock's credentials."""


@dataclass(frozen=True, slots=True)
class NoSuchPath:
    """Asks for something that is not on this wire."""


def decode_request(
    request: httpx.Request, merchants: Mapping[str, Merchant]
) -> Signed | Submitted | Unfit | KeysRequest | NoSuchPath:
    """What is asked, or why that cannot be done."""
    path, post = request.url.path, request.method == "POST"
    if path.endswith(KEYS_PATH) and request.method == "GET":
        return KeysRequest()
    if path.endswith(CLIENT_PATH) and post:
        form = fields_of_form(request.content)
        return Submitted(form.get("tn", ""), form.get("payer", ""))
    if not post or not path.endswith((ORDER_PATH, QUERY_PATH, BACK_PATH)):
        return NoSuchPath()
    return _signed(path, fields_of_form(request.content), merchants)


def encode_reply(
    to: Signed | Unfit, reply: Reply, signer: Signer
) -> tuple[int, dict[str, str], bytes]:
    """Always HTTP 200, and always signed. It repeats what was asked, if that was fit."""
    told: dict[str, str] = msgspec.to_builtins(reply)
    told["respMsg"] = _words(reply.resp_code)
    if reply.orig_resp_code:
        told["origRespMsg"] = _words(reply.orig_resp_code)
    fields = {**COMMON, **_repeated(to), **told, CERTIFICATE: signer.certificate_pem}
    return 200, _TEXT, body_of(signed(signer.private_pem, fields))


def encode_paid(paid: bool) -> tuple[int, dict[str, str], bytes]:
    return 200, _JSON, msgspec.json.encode(Paid("success" if paid else "fail"))


def encode_keys(keys: Keys) -> tuple[int, dict[str, str], bytes]:
    return 200, _JSON, msgspec.json.encode(keys)


def encode_no_such_path() -> tuple[int, dict[str, str], bytes]:
    return 404, {"content-type": "text/plain"}, b"no such path"


# Answers


def _reply(at: Endpoint, asked: Asked, now_s: float, status: int, body: bytes) -> Reply:
    """A fault need not be signed: it is believed no further than that the call failed."""
    if status != 200:
        raise fault_of(status, str(status))
    try:
        fields = fields_of_answer(body)
        reply = msgspec.convert(fields, Reply)
    except UNREADABLE:
        raise Malformed("no answer of this wire") from None
    if fault := fault_of_code(reply.resp_code):
        raise fault
    if not is_believed(at.peer_key, fields, now_s):
        raise Malformed("the answer is not signed by the provider")
    if (reply.mer_id, reply.order_id) != (at.account, asked.order_id):
        raise Malformed("the answer is of another order")
    if not reply.refused and not _is_whole(asked, reply):
        raise Malformed("the answer lacks what was asked for")
    return reply


def _is_whole(asked: Asked, reply: Reply) -> bool:
    match asked:
        case NewOrder():
            return bool(reply.tn)
        case Query():
            return bool(reply.orig_resp_code)
        case Back():
            return (reply.txn_type, reply.orig_qry_id) == (asked.kind, asked.of_query_id)
        case _:
            assert_never(asked)


def _own(status: int, body: bytes, shape: type[Own]) -> Own:
    if status != 200:
        raise fault_of(status, str(status))
    return parse(body, shape)


# Requests


def _signed(
    path: str, fields: Mapping[str, str], merchants: Mapping[str, Merchant]
) -> Signed | Unfit:
    if any(not fields.get(name) for name in _REQUIRED):
        return Unfit("13")
    merchant = merchants.get(fields["merId"])
    if merchant is None or merchant.cert_id != fields["certId"]:
        return Unfit("11")
    if not is_signed(merchant.public_pem, fields):
        return Unfit("11")
    asked = asked_of(path, fields)
    return Signed(fields["merId"], asked) if asked else Unfit("10")


def _repeated(to: Signed | Unfit) -> dict[str, str]:
    if isinstance(to, Unfit):
        return {}
    fields = fields_of(to.asked)
    return {"merId": to.mer_id, **{name: fields[name] for name in _REPEATED if name in fields}}


def _words(code: str) -> str:
    return f"{WORDS.get(code, '')}[{code}00000]"


_REQUIRED = ("merId", "certId", "signature", "txnType", "orderId", "txnTime")
_REPEATED = ("bizType", "txnType", "txnSubType", "orderId", "txnTime", "txnAmt", "origQryId")
_FORM = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
_TEXT = {"content-type": "text/plain;charset=UTF-8"}
_JSON = {"content-type": "application/json"}
