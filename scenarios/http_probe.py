"""One GET a turn of any URL: to probe a server, or the generator itself. It pays nothing."""

from dataclasses import dataclass

import httpx

from harness.flow.flow import Chat
from harness.providers.call import Call, Endpoint, fault_of, request_of


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """An answer of 400 and above, or none at all, is a failed turn."""

    url: str
    turns: int = 1

    async def run(self, chat: Chat) -> None:
        at = Endpoint(self.url, "")
        for _ in range(chat.turns):
            async with chat.turn() as flow:
                await flow.call("http", Call("http", request_of("GET", at.url(""), {}), _succeed))
                flow.outcome = "ok"


def _succeed(status: int, headers: httpx.Headers, body: bytes) -> None:
    if status >= 400:
        raise fault_of(status, str(status))
