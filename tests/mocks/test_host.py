"""One door to all mocks: every wire has one behind it, in process and under respx alike."""

import asyncio

import httpx
import pytest
import respx

from harness.clock import VirtualClock, run
from harness.providers import WIRES, openai, wechat_ai
from harness.providers.told import decode_told
from mocks.host import IN_PROCESS_URL, Host, endpoints
from tests.mocks.visit import ADA, AT_MODEL, AT_PAY, CONFIG, Visit, visit


def test_every_wire_has_an_endpoint_and_a_mock_of_its_name() -> None:
    at = endpoints(IN_PROCESS_URL)
    assert set(at) == set(WIRES)

    async def main(client: Visit) -> None:
        for name in WIRES:
            assert at[name].url("").path.split("/")[1] == name
            answer = await client.send(httpx.Request("POST", at[name].url("/")))
            # A refusal, but one that a mock gave: only mocks tell their delay.
            assert answer.status >= 400
            assert decode_told(answer.headers) is not None

    visit(main)


@pytest.mark.parametrize("path", ["/", "/nothing", "/nothing/rpc", "/openai-2/v1/chat/completions"])
def test_an_unknown_mock_is_a_404_that_names_those_there_are(path: str) -> None:
    async def main(client: Visit) -> None:
        answer = await client.send(httpx.Request("GET", IN_PROCESS_URL + path))
        assert answer.status == 404
        for name in WIRES:
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
        assert list(other.wechat_ai.ledger) == []

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
    asked = openai.ChatRequest("gpt-4o", [openai.Message("user", "hi")], stream=stream)
    chat = openai.chat(AT_MODEL, asked)
    session = wechat_ai.open_session(AT_PAY, ADA, "balance")

    async def main() -> None:
        host = Host(VirtualClock(), CONFIG)
        async with respx.mock(base_url=IN_PROCESS_URL) as router, httpx.AsyncClient() as client:
            router.route().mock(side_effect=host)
            for call, kind in ((chat, openai.ChatReply), (session, wechat_ai.Session)):
                answer = await client.send(call.request)
                told = call.decode(answer.status_code, answer.headers, answer.content)
                assert isinstance(told, kind)
            assert router.calls.call_count == 2

    run("virtual", main())
