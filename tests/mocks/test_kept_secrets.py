"""Keys that are no mock's are not put down, and what opens mocks only is put down as it came."""

import base64

import httpx
import pytest

from mocks.host import IN_PROCESS_URL, KEY
from mocks.kept_secrets import NO_CARD, UNKNOWN, UNKNOWN_CARD, without_secrets
from mocks.stripe.cards import by_number

REAL = "sk-proj-0123456789abcdefghij"


def test_keys_of_somebody_real_are_not_put_down() -> None:
    asked = httpx.Request(
        "POST",
        f"{IN_PROCESS_URL}/gemini/v1beta/models/x:generateContent?key={REAL}&alt=sse",
        headers={
            "authorization": f"Bearer {REAL}",
            "x-api-key": REAL,
            "cookie": f"session={REAL}",
            "idempotency-key": "order-1",
            "x-goog-api-key": KEY,
        },
    )
    shown = without_secrets(asked)
    assert shown.target.endswith(f"?key={UNKNOWN}&alt=sse") and not shown.whole
    assert REAL not in repr(shown)
    kept = dict(shown.headers)
    assert kept[b"authorization"] == f"Bearer {UNKNOWN}".encode()
    assert (kept[b"idempotency-key"], kept[b"x-goog-api-key"]) == (b"order-1", KEY.encode())


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {KEY}",
        "Bearer upt_000000000001",
        "Basic " + base64.b64encode(f"client:{KEY}".encode()).decode(),
        'WECHATPAY2-SHA256-RSA2048 mchid="1900000001",signature="c2ln"',
        "ALIPAY-SHA256withRSA app_id=1,nonce=2,timestamp=3,sign=c2ln",
    ],
)
def test_what_opens_mocks_only_is_put_down_as_it_came(value: str) -> None:
    asked = httpx.Request("GET", f"{IN_PROCESS_URL}/flat/x?a=1", headers={"authorization": value})
    shown = without_secrets(asked)
    assert (shown.target, shown.whole) == ("/flat/x?a=1", True)
    assert dict(shown.headers)[b"authorization"] == value.encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cookie", f"session={REAL}; other=1"),
        ("authorization", f'Digest username="{REAL}", uri="/"'),
        ("x-api-key", f"{REAL} {KEY}"),
        ("authorization", f"bearer  {REAL}"),
        ("authorization", "Basic " + base64.b64encode(f"{REAL}:".encode()).decode()),
        ("authorization", "Basic " + base64.b64encode(f"{KEY}:{REAL}".encode()).decode()),
        ("proxy-authorization", REAL),
        ("openai-organization", f"org-{REAL}"),
        ("OpenAI-Project", f"proj-{REAL}"),
    ],
)
def test_no_part_of_what_somebody_real_takes_is_put_down(name: str, value: str) -> None:
    asked = httpx.Request("GET", f"{IN_PROCESS_URL}/flat/x", headers={name: value})
    shown = without_secrets(asked)
    kept = dict(shown.headers)[name.lower().encode()].decode()
    assert kept.removesuffix(UNKNOWN).strip().lower() in ("", "bearer", "basic")
    assert not shown.whole


@pytest.mark.parametrize("name", ["key", "api_key", "client_secret", "sig", "X-Amz-Signature"])
def test_nor_is_any_of_a_query(name: str) -> None:
    asked = httpx.Request("GET", f"{IN_PROCESS_URL}/flat/x?a=1&{name}={REAL}&b=2")
    assert without_secrets(asked).target == f"/flat/x?a=1&{name}={UNKNOWN}&b=2"


LIVE_CARD, WRONG_CARD = "4111 1111 1111 1111", "4111111111111112"
JSON_OF = '{"op":"session.open","app_secret": "%s","openid":"ada"}'


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        (f"client_id=me&client_secret={REAL}", f"client_id=me&client_secret={UNKNOWN}"),
        (f"client_secret={REAL}&a=1", f"client_secret={UNKNOWN}&a=1"),
        (JSON_OF % REAL, JSON_OF % UNKNOWN),
        (JSON_OF % f'x\\"{REAL}', JSON_OF % UNKNOWN),
        (f'{{"a":{{"apiKey" : "{REAL}"}}}}', f'{{"a":{{"apiKey" : "{UNKNOWN}"}}}}'),
        (
            f"type=card&card[number]={LIVE_CARD}&card[cvc]=123",
            f"type=card&card[number]={UNKNOWN_CARD.decode()}&card[cvc]=000",
        ),
        (
            f"card%5Bcvc%5D=123&payment_method_data%5Bcard%5D%5Bnumber%5D={WRONG_CARD}",
            "card%5Bcvc%5D=000&payment_method_data%5Bcard%5D%5Bnumber%5D=" + NO_CARD.decode(),
        ),
    ],
)
def test_nor_is_any_of_a_body(came: str, kept: str) -> None:
    asked = httpx.Request("POST", f"{IN_PROCESS_URL}/flat/x", content=came.encode())
    shown = without_secrets(asked)
    assert shown.body.decode() == kept
    assert dict(shown.headers)[b"content-length"] == b"%d" % len(kept)
    assert not shown.whole


@pytest.mark.parametrize(
    "body",
    [
        f"client_id=mock-client&client_secret={KEY}",
        JSON_OF % KEY,
        "type=card&card[number]=4242424242424242&card[cvc]=123",
        "metadata[number]=12&card[cvc]=123",
        '{"messages":[{"content":"my \\"password\\": \\"none\\""}]}',
        "",
    ],
)
def test_a_body_that_a_mock_has_to_know_again_is_put_down_as_it_came(body: str) -> None:
    asked = httpx.Request("POST", f"{IN_PROCESS_URL}/flat/x", content=body.encode())
    shown = without_secrets(asked)
    assert (shown.body.decode(), shown.whole) == (body, True)


@pytest.mark.parametrize("number", [LIVE_CARD, WRONG_CARD])
def test_the_same_comes_of_the_card_that_is_put_down_as_of_the_one_that_came(number: str) -> None:
    asked = httpx.Request("POST", IN_PROCESS_URL, content=f"card[number]={number}".encode())
    kept = without_secrets(asked).body.decode().removeprefix("card[number]=")
    assert kept != number and by_number(kept) == by_number(number)
