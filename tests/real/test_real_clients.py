"""Every client of a real provider: the very bytes it sends, what it makes of each error, that it
never tries twice by itself, and that nothing that it tells holds a key."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import respx

from harness.clock import VirtualClock, run
from harness.flow.flow import Flow, Span, World
from harness.flow.payers import Payment, sessionless
from harness.flow.payers.prudent import Prudent
from harness.flow.wish import Wish
from harness.providers import MODELS, rsa2
from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
    cause,
)
from harness.real.caps import least_minor
from harness.real.credentials import PROVIDERS
from harness.real.unsafe import Unsafe
from tests.real import sample
from tests.real.real_clients import CLIENTS, KEYS, found_of
from tests.real.sample import Bench
from tests.real.test_payers import PAYERS


def thorough(cases: Iterable[object], *quick: object) -> list[Any]:
    """All but these are left to the thorough run."""
    mark = pytest.mark.thorough
    return [pytest.param(case, marks=[] if case in quick else mark) for case in cases]


pytestmark = pytest.mark.usefixtures("unsynced")
every_client = pytest.mark.parametrize("name", CLIENTS)
LETTERS = 12
"""Of a key in a row that nobody may see."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What went out, what came back of it, and what is kept of the call."""

    sent: list[httpx.Request]
    told: Any
    spans: list[Span]
    took_s: float

    @property
    def fault(self) -> ProviderFault:
        assert isinstance(self.told, ProviderFault), self.told
        return self.told


def ask(name: str, folder: Path, answer: Callable[[httpx.Request], httpx.Response]) -> Asked:
    """As a turn does it, through all checks, with a router in place of the internet."""
    client = CLIENTS[name]
    router = respx.MockRouter(assert_all_called=True, assert_all_mocked=True)
    route = router.post(url__startswith=client.url).mock(side_effect=answer)
    found = found_of(name, folder)

    async def main() -> Asked:
        clock = VirtualClock()
        bench = Bench(folder, httpx.MockTransport(router.async_handler), found)
        flow = Flow(World(clock, bench.safe, 1, 0, False), 0, 0, 0.0, 0.0)
        try:
            told = await flow.call("pay", client.call(found.endpoint))
        except (ProviderFault, Unsafe) as fault:
            told = fault
        sent = [call.request for call in route.calls]
        bench.journal.close()
        return Asked(sent, told, [*flow.spans], clock.now())

    return run("virtual", main())


def answering(status: int, body: bytes = b"", **headers: str) -> Callable[..., httpx.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: httpx.Response(status, content=body, headers=named)


def test_no_real_provider_is_left_out() -> None:
    assert {*CLIENTS} == {*PROVIDERS}


# What is sent


@every_client
def test_a_request_is_these_very_bytes_and_opened_by_its_own_key(name: str, tmp_path: Path) -> None:
    client = CLIENTS[name]
    [sent] = ask(name, tmp_path, answering(503)).sent
    assert sent.method == "POST"
    assert str(sent.url).partition("?")[0] == client.url
    assert name == "unionpay" or sent.content == client.body
    for header, value in client.opened.items():
        told = sent.headers[header]
        assert told == value or (name in SIGNED_IN_HEADERS and told.startswith(value))
    client.signed(sent)
    assert sent.headers["content-length"] == str(len(sent.content))
    assert {*sent.headers} - USUAL - {*client.opened} == {*MORE.get(name, ())}


@every_client
def test_a_key_is_in_no_url_and_no_body(name: str, tmp_path: Path) -> None:
    [sent] = ask(name, tmp_path, answering(503)).sent
    told = f"{sent.url}\n{sent.content.decode()}"
    assert [secret for secret in secrets(name, tmp_path) if secret in told] == []


SIGNED_IN_HEADERS = ("alipay-v3", "wechatpay")
USUAL = {"host", "content-type", "content-length", "accept"}
MORE = {"alipay-v3": ("alipay-request-id",), "wechatpay": ("user-agent",)}


def test_what_unionpay_is_sent_is_a_whole_purchase(tmp_path: Path) -> None:
    [sent] = ask("unionpay", tmp_path, answering(503)).sent
    fields = dict(parse_qsl(sent.content.decode()))
    assert fields.pop("signature")
    assert fields == {
        "version": "5.1.0", "encoding": "UTF-8", "signMethod": "01", "txnType": "01",
        "txnSubType": "01", "bizType": "000201", "channelType": "08", "accessType": "0",
        "merId": "777290058178717", "orderId": "t1o00000001", "txnTime": "20261123080000",
        "txnAmt": "1", "currencyCode": "156", "payTimeout": "20261123081500",
        "backUrl": "https://example.com/unionpay", "certId": str(sample.SERIAL),
    }  # fmt: skip


def test_what_alipay_v2_is_sent_in_its_url_is_the_public_parameters(tmp_path: Path) -> None:
    [sent] = ask("alipay-ai", tmp_path, answering(503)).sent
    fields = dict(parse_qsl(sent.url.query.decode()))
    assert fields.pop("sign")
    assert fields == {
        "app_id": "9021000100000001", "method": "alipay.trade.precreate", "format": "JSON",
        "charset": "utf-8", "sign_type": "RSA2", "timestamp": "2026-11-23 08:00:00",
        "version": "1.0",
    }  # fmt: skip


# What comes back

STATUSES: dict[int, type[ProviderFault]] = {
    401: Unauthorized,
    403: Unauthorized,
    429: RateLimited,
    500: Overloaded,
    502: Overloaded,
    503: Overloaded,
    529: Overloaded,
}


@every_client
@pytest.mark.parametrize("status", thorough(STATUSES, 401, 429, 503))
def test_an_error_status_is_its_fault_and_is_never_tried_again(
    name: str, status: int, tmp_path: Path
) -> None:
    answer = answering(status, b"<html>not ours</html>", retry_after="7")
    asked = ask(name, tmp_path, answer)
    assert type(asked.fault) is STATUSES[status]
    assert cause(asked.fault).startswith(f"{STATUSES[status].__name__} {status}")
    assert (len(asked.sent), asked.took_s) == (1, 0.0)
    [span] = asked.spans
    assert (span.status, span.fault) == (status, cause(asked.fault))


BODIES = (b"", b"{", b"[]", b"\xff\xfe", b'{"unheard":1}', b"<html>")
CUTS = (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)


@dataclass(frozen=True, slots=True)
class Wrong:
    """An error in the words of the provider, and what is told of it."""

    name: str
    status: int
    body: bytes
    fault: type[ProviderFault]
    told: str


OPENAI_KEY_ERROR = (
    b'{"error":{"message":"Incorrect API key provided: %b.","type":"invalid_request_error",'
    b'"param":null,"code":"invalid_api_key"}}' % KEYS["OPENAI_API_KEY"].encode()
)
WRONGS = [
    Wrong("openai", 401, OPENAI_KEY_ERROR, Unauthorized,
          "Unauthorized 401 invalid_request_error invalid_api_key"),
    Wrong("anthropic", 529, b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}',
          Overloaded, "Overloaded 529 overloaded_error"),
    Wrong("gemini", 429, b'{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}',
          RateLimited, "RateLimited 429 RESOURCE_EXHAUSTED"),
    Wrong("stripe", 429, b'{"error":{"type":"invalid_request_error","code":"rate_limit"}}',
          RateLimited, "RateLimited 429 invalid_request_error rate_limit"),
    Wrong("stripe", 409, b'{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}',
          Overloaded, "Overloaded 409 idempotency_error idempotency_key_in_use"),
    Wrong("alipay-ai", 200,
          b'{"error_response":{"code":"40002","msg":"Invalid Arguments",'
          b'"sub_code":"isv.invalid-signature"}}',
          Unauthorized, "Unauthorized 40002 isv.invalid-signature"),
    Wrong("alipay-ai", 200,
          b'{"alipay_trade_precreate_response":{"code":"20000","msg":"Service Unavailable",'
          b'"sub_code":"isp.unknow-error"}}',
          Overloaded, "Overloaded 20000 isp.unknow-error"),
    Wrong("alipay-v3", 400, b'{"code":"invalid-signature","message":"m"}',
          Unauthorized, "Unauthorized 400 invalid-signature"),
    Wrong("alipay-v3", 400, b'{"code":"app-call-limited","message":"m"}',
          RateLimited, "RateLimited 400 app-call-limited"),
    Wrong("wechatpay", 401, b'{"code":"SIGN_ERROR","message":"m"}',
          Unauthorized, "Unauthorized 401 SIGN_ERROR"),
    Wrong("wechatpay", 403, b'{"code":"RULE_LIMIT","message":"m"}',
          RateLimited, "RateLimited 403 RULE_LIMIT"),
    Wrong("unionpay", 200, b"respCode=11&respMsg=m", Unauthorized, "Unauthorized 11"),
    Wrong("unionpay", 200, b"respCode=06&respMsg=m", Overloaded, "Overloaded 06"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda of: f"{of.name} {of.told}")
def test_an_error_in_a_providers_own_words_keeps_them_as_far_as_they_are_names(
    wrong: Wrong, tmp_path: Path
) -> None:
    asked = ask(wrong.name, tmp_path, answering(wrong.status, wrong.body))
    assert type(asked.fault) is wrong.fault
    assert (cause(asked.fault), len(asked.sent)) == (wrong.told, 1)


@every_client
@pytest.mark.parametrize("body", thorough(BODIES, b"{", b'{"unheard":1}'), ids=repr)
def test_a_good_status_with_a_body_that_is_none_is_malformed(
    name: str, body: bytes, tmp_path: Path
) -> None:
    asked = ask(name, tmp_path, answering(200, body, content_type="application/json"))
    if (name, body) == ("stripe", b'{"unheard":1}'):
        assert str(asked.told) == "an answer of Stripe's that does not say that it is of test mode"
    else:
        assert (type(asked.fault), len(asked.sent)) == (Malformed, 1)


@every_client
@pytest.mark.parametrize("error", thorough(CUTS, httpx.ReadError))
def test_an_answer_that_is_cut_off_leaves_open_what_became_of_it(
    name: str, error: type[httpx.TransportError], tmp_path: Path
) -> None:
    def cut(request: httpx.Request) -> httpx.Response:
        raise error(f"to {request.url} with {request.headers}", request=request)

    asked = ask(name, tmp_path, cut)
    assert (type(asked.fault), len(asked.sent)) == (Unreachable, 1)
    assert [span.status for span in asked.spans] == [0]
    check_hidden(asked, name, tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_that_is_cut_off_is_no_answer(name: str, tmp_path: Path) -> None:
    begun = answering(200, b'data: {"choices":[{"delta":{"con', content_type="text/event-stream")
    asked = ask(name, tmp_path, begun)
    assert (type(asked.fault), len(asked.sent)) == (Malformed, 1)


@every_client
def test_a_redirect_is_not_followed(name: str, tmp_path: Path) -> None:
    elsewhere = answering(307, location="https://example.com/steal")
    asked = ask(name, tmp_path, elsewhere)
    assert (type(asked.fault), len(asked.sent)) == (Malformed, 1)


# What is never told


def _signed_by_alipay(body: bytes) -> dict[str, str]:
    """On the wire of v3, which believes no refusal that is not."""
    text = b"1\nn\n" + body + b"\n"
    sign = rsa2.sign(sample.private_pem(), text)
    return {"alipay_timestamp": "1", "alipay_nonce": "n", "alipay_signature": sign}


@every_client
def test_a_provider_that_tells_our_key_back_is_not_repeated(name: str, tmp_path: Path) -> None:
    [secret] = secrets(name, tmp_path)
    for status in (200, 400, 401, 404, 429, 500):
        for words in (secret, f"Incorrect key: {secret}"):
            body = CLIENTS[name].error(words)
            check_hidden(ask(name, tmp_path, answering(status, body)), name, tmp_path)


@pytest.mark.parametrize(("name", "code"), [("stripe", "{}"), ("alipay-v3", "ACQ.{}")])
def test_nor_is_it_by_who_pays(name: str, code: str, tmp_path: Path) -> None:
    """A refusal by the rules is a value, that a payer takes apart."""
    [secret] = secrets(name, tmp_path)
    found = found_of(name, tmp_path)
    body = CLIENTS[name].error(code.format(secret))
    refusing = httpx.MockTransport(answering(400, body, **_signed_by_alipay(body)))

    async def main() -> None:
        clock = VirtualClock()
        bench = Bench(tmp_path, refusing, found)
        payer = Prudent(PAYERS[name][0](found.endpoint), "t1", least_minor(name))
        flow = Flow(World(clock, bench.safe, 1, 0, False), 0, 0, 0.0, 0.0)
        payment = Payment("o1", "ada", Wish(4580, "CNY", "noodles", "card"))
        with pytest.raises(Malformed) as caught:
            await payer.authorize(flow, sessionless("card"), payment)
        assert "refused: " in str(caught.value)
        assert secret[:LETTERS] not in f"{caught.value} {cause(caught.value)}"
        bench.journal.close()

    run("virtual", main())


def check_hidden(asked: Asked, name: str, folder: Path) -> None:
    shown = [repr(asked.spans), repr(found_of(name, folder)), repr(found_of(name, folder).endpoint)]
    if isinstance(asked.told, Exception):
        shown += [str(asked.told), repr(asked.told)]
    if isinstance(asked.told, ProviderFault):
        shown.append(cause(asked.told))
    for secret in secrets(name, folder):
        parts = {secret[at : at + LETTERS] for at in range(len(secret) - LETTERS + 1)}
        assert [part for part in parts for text in shown if part in text] == []


def secrets(name: str, folder: Path) -> list[str]:
    """A model's key; of a private one, a line from its middle."""
    lines = found_of(name, folder).endpoint.key.strip().splitlines()
    return [lines[len(lines) // 2]]
