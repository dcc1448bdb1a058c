"""The app's webhook address on a loopback port; it reads no notice."""

import contextlib
from collections.abc import AsyncIterator

from harness.flow.inbox import Inbox


@contextlib.asynccontextmanager
async def inbox_server(inbox: Inbox) -> AsyncIterator[str]:
    raise NotImplementedError("being written")
    yield ""
