"""One door to all mocks: every wire has one behind it, in process and under respx alike."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
import respx

from harness.clock import VirtualClock, run
from harness.providers import GATEWAYS, MODELS, wechat_ai
from harness.providers.chat import Ask, Message, Reply
from harness.providers.told import decode_told
from mocks.host import IN_PROCESS_URL, Host, MockConfig, endpoints, key_of, provenance
from mocks.profile import GatewayProfile, PaymentProfile, load, names
from tests.mocks.visit import ADA, AT_MODEL, AT_PAY, CONFIG, PAY, Visit, visit

PAYMENTS = {name: load(name, PaymentProfile) for name in names(PaymentProfile)}
WHOLE = msgspec.structs.replace(
    CONFIG,
    pay=PAYMENTS,
    gateways={
        profile.provider: profile
        for profile in (load(name, GatewayProfile) for name in names(GatewayProfile))
    },
)
"""All that is shipped, at once."""


def test_every_wire_has_an_endpoint_and_a_mock_of_its_name() -> None:
    at = endpoints(IN_PROCESS_URL, WHOLE)
    assert set(at) == {*PAYMENTS, *MODELS}
    assert set(WHOLE.gateways) == set(GATEWAYS)

    async def main(client: Visit) -> None:
        for name, endpoint in at.items():
            assert endpoint.url("").path.split("/")[1] == name
            answer = await client.send(httpx.Request("POST", endpoint.url("/")))
            # A refusal, but one that a mock gave: only mocks tell their delay.
            assert decode_told(answer.headers) is not None, name
            assert answer.status < 500, name
            assert answer.status >= 400 or name == "alipay-ai", name  # It answers 200 to anything.

    visit(main, WHOLE)


def test_a_provider_may_be_there_twice_with_two_profiles_and_two_books() -> None:
    config = msgspec.structs.replace(CONFIG, pay={"wechat-ai": PAY, "cheap": PAY})
    at = endpoints(IN_PROCESS_URL, config)["cheap"]

    async def main(client: Visit) -> None:
        call = wechat_ai.open_session(at, ADA, "balance")
        opened = (await client.ask(call)).value
        key = (await client.ask(wechat_ai.fetch_key(at))).value
        assert isinstance(opened, wechat_ai.Session)
        order = wechat_ai.Order("o-1", ADA, "balance", 100)
        pay = wechat_ai.transact(at, "pay.authorize", opened.session_token, key, order)
        assert isinstance((await client.ask(pay)).value, wechat_ai.Receipt)
        assert [len(list(mock.ledger)) for mock in client.host.payments.values()] == [0, 1]

    visit(main, config)


@pytest.mark.parametrize("path", ["/", "/nothing", "/nothing/rpc", "/openai-2/v1/chat/completions"])
def test_an_unknown_mock_is_a_404_that_names_those_there_are(path: str) -> None:
    async def main(client: Visit) -> None:
        answer = await client.send(httpx.Request("GET", IN_PROCESS_URL + path))
        assert answer.status == 404
        for name in ("wechat-ai", *(set(MODELS) - set(GATEWAYS))):
            assert name in answer.body.decode()

    visit(main)


def test_two_hosts_share_no_sessions_and_no_books() -> None:
    async def main(client: Visit) -> None:
        token, key = await client.token(), await client.key()
        order = wechat_ai.Order("o-1", ADA, "balance", 100)
        call = wechat_ai.transact(AT_PAY, "pay.authorize", token, key, order)
        other = Host(client.clock, CONFIG)
        refused = await other(call.request)
        told = call.decode(refused.status_code, refused.headers, await refused.aread())
        assert isinstance(told, wechat_ai.Refusal)
        assert told.code == "TOKEN_UNKNOWN"
        assert list(other.payments["wechat-ai"].ledger) == []

    visit(main)


def test_a_fetched_key_seals_for_every_call_at_once() -> None:
    async def main(client: Visit) -> None:
        token, key = await client.token(), await client.key()
        orders = [wechat_ai.Order(f"o-{n}", ADA, "balance", 100 + n) for n in range(20)]
        told = await asyncio.gather(
            *[
                client.ask(wechat_ai.transact(AT_PAY, "pay.authorize", token, key, order))
                for order in orders
            ]
        )
        receipts = [each.value for each in told if isinstance(each.value, wechat_ai.Receipt)]
        assert [receipt.order_no for receipt in receipts] == [order.order_no for order in orders]

    visit(main)


@pytest.mark.parametrize("stream", [False, True])
def test_under_respx_a_real_client_is_answered_by_the_same_mocks(stream: bool) -> None:
    asked = Ask(model="gpt-4o", messages=[Message("user", "hi")], stream=stream)
    calls: list[tuple[Any, type[object]]] = [
        (MODELS["openai"].chat(AT_MODEL, asked), Reply),
        (wechat_ai.open_session(AT_PAY, ADA, "balance"), wechat_ai.Session),
    ]

    async def main() -> None:
        host = Host(VirtualClock(), CONFIG)
        async with respx.mock(base_url=IN_PROCESS_URL) as router, httpx.AsyncClient() as client:
            router.route().mock(side_effect=host)
            for call, kind in calls:
                answer = await client.send(call.request)
                told = call.decode(answer.status_code, answer.headers, answer.content)
                assert isinstance(told, kind)
            assert router.calls.call_count == 2

    run("virtual", main())


def test_a_configuration_survives_the_way_to_a_mock_process() -> None:
    there = msgspec.json.decode(msgspec.json.encode(WHOLE), type=MockConfig)
    assert there == WHOLE


def test_no_key_that_clients_check_is_of_the_wrong_form_and_none_is_printed() -> None:
    assert key_of("stripe").startswith("sk_test_")
    for endpoint in endpoints(IN_PROCESS_URL, WHOLE).values():
        assert endpoint.key not in repr(endpoint)


def test_whose_figures_are_replayed_is_told_for_every_profile() -> None:
    told = provenance(WHOLE)
    assert told["wechat-ai overhead"] == "article"
    assert told["gpt-4o"] == "measured"
    for name in (*PAYMENTS, *WHOLE.gateways, *WHOLE.models):
        assert any(what.split()[0] == name for what in told), name
    assert set(told.values()) <= {"article", "vendor", "measured", "assumed"}
