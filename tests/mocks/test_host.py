"""One door to all mocks: every wire has one behind it, in process and under respx alike."""

import asyncio
from collections import deque
from typing import Any

import httpx
import msgspec
import pytest
import respx

from harness.clock import VirtualClock, run
from harness.faults import Faults, Placed, Script
from harness.providers import GATEWAYS, MODELS, wechat_ai
from harness.providers.call import Endpoint
from harness.providers.chat import Ask, Message, Reply
from harness.providers.told import DrawKey, decode_told, name_draw
from mocks.credentials import CREDENTIALS
from mocks.figures import Outage
from mocks.host import IN_PROCESS_URL, KEY, Host, MockConfig, endpoints, key_of, provenance
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


def test_of_two_lanes_of_one_provider_each_has_the_faults_of_its_own_profile() -> None:
    lanes = {
        "deaf": msgspec.structs.replace(PAY, faults={"lost": 1.0}),
        "rude": msgspec.structs.replace(PAY, faults={"rate-limits": 1.0}),
        "calm": PAY,
    }
    config = msgspec.structs.replace(CONFIG, pay=lanes)

    async def main() -> None:
        host = Host(VirtualClock(), config)
        asked = {lane: host.decide(keys_asked(lane)) for lane in lanes}
        assert {lane: of.status for lane, of in asked.items()} == {
            "deaf": 0,
            "rude": 429,
            "calm": 200,
        }
        assert host.setting.strikes_by == {("lost", "key"): 1, ("rate-limits", "key"): 1}

    run("virtual", main())


def keys_asked(lane: str) -> httpx.Request:
    request = wechat_ai.fetch_key(Endpoint(f"{IN_PROCESS_URL}/{lane}", KEY)).request
    name_draw(request, DrawKey(0, 0, 0, "key", 1))
    return request


@pytest.mark.parametrize(
    ("lanes", "struck"),
    [
        (["deaf"], ["lost"]),
        (["rude"], ["reset"]),
        (["calm"], []),
        (["deaf", "rude"], ["lost", "reset"]),
        (["rude", "deaf", "calm"], ["lost", "reset"]),
    ],
)
def test_who_pays_by_some_lanes_meets_their_faults_alone(
    lanes: list[str], struck: list[str]
) -> None:
    """And by two of one provider the greater share of each, whichever was named first."""
    profiles = {
        "deaf": msgspec.structs.replace(PAY, faults={"lost": 1.0, "reset": 1e-12}),
        "rude": msgspec.structs.replace(PAY, faults={"reset": 1.0}),
        "calm": PAY,
    }
    pay = {lane: profiles[lane] for lane in ["rude", "deaf", "calm"]}
    faults = msgspec.structs.replace(CONFIG, pay=pay).struck_by(lanes)
    assert at_key(faults) == struck


def at_key(faults: Faults | None) -> list[str]:
    return list(faults.at("wechat-ai", DrawKey(0, 0, 0, "key", 1))) if faults else []


@pytest.mark.parametrize("lane", CREDENTIALS)
def test_no_fault_strikes_the_page_on_which_a_mock_tells_its_keys(lane: str) -> None:
    """It is between tollbench and its mocks: no provider has it."""

    async def main() -> None:
        host = Host(VirtualClock(), msgspec.structs.replace(WHOLE, faults={"lost": 1.0}))
        page = httpx.Request("GET", f"{IN_PROCESS_URL}/{lane}/_keys")
        assert (host.decide(page).status, host.setting.struck) == (200, deque())
        other = httpx.Request("GET", f"{IN_PROCESS_URL}/{lane}/keys")
        assert host.decide(other).status == 0

    run("virtual", main())


@pytest.mark.parametrize(("asked_at_s", "status"), [(39.0, 503), (41.0, 200)])
def test_a_mock_counts_from_when_its_world_began_and_not_from_its_first_call(
    asked_at_s: float, status: int
) -> None:
    outages = [Outage("openai", from_s=0.0, for_s=40.0)]
    config = msgspec.structs.replace(CONFIG, outages=outages)
    call = MODELS["openai"].chat(AT_MODEL, Ask(model="gpt-4o", messages=[Message("user", "hi")]))

    async def main() -> None:
        host = Host(clock := VirtualClock(), config)
        await clock.sleep_until(clock.now() + asked_at_s)
        assert host.decide(call.request).status == status

    run("virtual", main())


def test_placed_faults_strike_every_lane_of_their_provider() -> None:
    config = msgspec.structs.replace(CONFIG, pay={"wechat-ai": PAY, "cheap": PAY})

    async def main() -> None:
        host = Host(VirtualClock(), config, faults=Script([Placed(0, "key", "lost")]))
        assert [host.decide(keys_asked(lane)).status for lane in config.pay] == [0, 0]

    run("virtual", main())


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
