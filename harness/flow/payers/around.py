"""A payer around a payer: it says of itself what the one within does, and sends nothing itself."""

from harness.flow.flow import Flow
from harness.flow.payers import Connects, Payer
from harness.record import Outcome


class Around:
    """What calls it makes of those that come to it is for whoever is made from it to say."""

    def __init__(self, payer: Payer) -> None:
        self._payer = payer

    @property
    def good_end(self) -> Outcome:
        return self._payer.good_end

    @property
    def has_sessions(self) -> bool:
        return self._payer.has_sessions

    async def start(self, flow: Flow) -> None:
        """What of it is sent again, the payer knows best: a start may be nothing at all."""
        await self._payer.start(flow)

    async def connect(self, flow: Flow) -> None:
        if isinstance(self._payer, Connects):
            await self._payer.connect(flow)
