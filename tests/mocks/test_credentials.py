"""Keys of mocks whose clients sign: the same at hand and asked for, and never printed."""

import httpx
import pytest

from harness.providers.call import Malformed
from mocks.credentials import CREDENTIALS
from mocks.host import IN_PROCESS_URL, MockConfig, endpoints
from mocks.profile import PaymentProfile, load
from tests.mocks.visit import Visit, visit


@pytest.mark.parametrize("provider", CREDENTIALS)
def test_whoever_asks_a_mock_for_its_keys_gets_those_of_its_own_process(provider: str) -> None:
    config = MockConfig(seed=1, pay={provider: load(provider, PaymentProfile)}, models={})
    here = endpoints(IN_PROCESS_URL, config)[provider]

    async def main(client: Visit) -> None:
        asked = await client.ask(CREDENTIALS[provider].ask(here.base_url))
        assert asked.value == here
        assert asked.answer.took_us == 0
        assert "PRIVATE" in here.key and "PRIVATE" not in repr(asked.value)

    visit(main, config)


@pytest.mark.parametrize("provider", CREDENTIALS)
def test_what_are_no_keys_is_malformed(provider: str) -> None:
    call = CREDENTIALS[provider].ask("http://mocks/x")
    for status, body in ((200, b"{}"), (200, b"\xff"), (404, b"no such path")):
        with pytest.raises(Malformed):
            call.decode(status, httpx.Headers(), body)
