"""The session tokens of one user: warmed ahead, kept, refreshed or opened, as the strategy says.

It decides when a session is opened or refreshed; how is the payer's business. A token is never
given out for another method than it was opened for. Where the provider has no sessions there is
nothing to decide but whether to connect ahead.
"""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from msgspec.structs import replace

from harness.flow.flow import Flow
from harness.flow.payers import Connects, Payer, Session
from harness.flow.strategy import Strategy
from harness.providers.call import ProviderFault


class Wallet:
    """At most one session is kept, which may have run out, and at most one is being opened per
    method at a time."""

    def __init__(self, payer: Payer, strategy: Strategy, user: str, usual_method: str) -> None:
        self._payer = payer
        self._strategy = strategy
        self._user = user
        self._method = usual_method
        self._kept: Session | None = None
        self._opening: dict[str, asyncio.Task[Session]] = {}
        self._warm: tuple[str, asyncio.Task[Session]] | None = None

    def warm(self, flow: Flow) -> None:
        """Pre-warming: begin to open a session before the wish is understood, for the method used
        last, since no other is known yet. A kept session that is still good makes it needless.
        Without sessions it is the connection that is opened, where that is told of."""
        if not self._strategy.prewarm:
            return
        if not self._payer.has_sessions:
            if flow.world.tells_connections and isinstance(self._payer, Connects):
                flow.fork(self._payer.connect(flow))
        elif not self._usable(flow, self._method):
            self._warm = (self._method, self._open(flow, self._method))

    async def session(self, flow: Flow, method: str) -> Session:
        """A session for this method. Whoever asks while it is being opened waits for that one."""
        if not self._payer.has_sessions:
            return await self._payer.open_session(flow, self._user, method)
        self._method = method
        if self._kept and self._kept.method != method:
            self._kept = None
        if self._kept and self._usable(flow, method):
            return self._kept
        flow.cold = True
        if self._warm and self._warm[0] == method:
            warm, self._warm = self._warm[1], None
            try:
                return self._keep(flow, await warm)
            except ProviderFault:
                pass  # A pre-warm that failed is as if it had never been tried.
        return self._keep(flow, await self._open(flow, method))

    def forget(self, session: Session) -> None:
        """The provider does not honour this session any more; it may still be refreshed."""
        if self._kept == session:
            self._kept = replace(session, expires_at=-math.inf)

    def expire(self) -> None:
        """The session that is kept has run out, whatever it says; it may still be refreshed."""
        if self._kept is not None:
            self.forget(self._kept)

    def settle(self, flow: Flow) -> None:
        """The turn is over: a warm session that it did not use is wasted."""
        if self._warm is not None:
            flow.wasted_prewarms += 1
            self._warm = None
        if not self._strategy.token_cache:
            self._kept = None

    def _usable(self, flow: Flow, method: str) -> bool:
        kept = self._kept
        return kept is not None and kept.method == method and flow.now() < kept.expires_at

    def _keep(self, flow: Flow, session: Session) -> Session:
        """What comes once the turn is over, as for a user's other devices, is kept for a later turn
        only where sessions are."""
        if self._strategy.token_cache or flow.end is None:
            self._kept = session
        return session

    def _open(self, flow: Flow, method: str) -> asyncio.Task[Session]:
        task = self._opening.get(method)
        if task is None:
            task = flow.fork(self._opened(flow, method))
            self._opening[method] = task
            task.add_done_callback(lambda _: self._opening.pop(method))
        return task

    def _opened(self, flow: Flow, method: str) -> Coroutine[Any, Any, Session]:
        """A session that ran out is refreshed. That is tried once: should it fail, whether the
        provider took the refresh token is not known, and the next try opens afresh."""
        kept, self._kept = self._kept, None
        if kept is None or kept.method != method:
            return self._payer.open_session(flow, self._user, method)
        return self._payer.refresh_session(flow, self._user, kept)
