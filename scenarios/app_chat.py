"""A user of a chat app under test, who says what the conversation scenario's buyer wishes; it knows
nothing of what the app does then.

Everything a turn costs is the app's one answer, so a turn is one call. Which calls the app made for
it, others may know: each request says which turn it belongs to (W3C Trace Context).
"""

import re
from dataclasses import dataclass

import msgspec

from harness.flow.flow import PATIENCE_S, Chat
from harness.flow.wish import Wish
from harness.providers import app_chat
from harness.providers.call import Endpoint
from harness.providers.trace import Trace, encode_traceparent
from scenarios.conversation import Conversation
from scenarios.rules import demand
from scenarios.shop import METHODS

STAGE = "chat"


@dataclass(frozen=True, slots=True)
class App:
    """Where the app is, what opens it, and the 64 bits that name the run to it."""

    at: Endpoint
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppChat(Conversation):
    """The parameters of a conversation, and how the app is spoken to.

    A conversation has one turn unless told otherwise: then every arrival is a user of its own, the
    rate of arrivals is that of messages, and no load is held back by users who think.
    """

    turns: int = 1
    path: str = app_chat.PATH
    body: str = '{"user": "{user}", "message": "{message}"}'
    """JSON, in which {user} and {message} are filled in as parts of strings."""
    patience_s: float = PATIENCE_S

    def __post_init__(self) -> None:
        try:
            Conversation.__post_init__(self)
            others: dict[str, bool] = {}
        except ValueError as error:
            others = {str(error): False}
        demand(
            others
            | {
                "path must begin with / and be printable ASCII without spaces or #": bool(
                    _PATH.fullmatch(self.path)
                ),
                "body must be JSON that has {message} in a string": (
                    "{message}" in self.body and _is_json(self.body_of("a user", 'a "message"'))
                ),
                "patience_s must be above 0, and at most 3600": 0 < self.patience_s <= 3600,
            }
        )

    async def converse(self, chat: Chat, app: App) -> None:
        method = self.usual_method
        for turn in range(chat.turns):
            if turn:
                await chat.think(self.pause_s(chat, turn))
                if chat.draw("switch", turn) < self.switch_share:
                    method = METHODS[1 - METHODS.index(method)]
            await self._say(chat, app, self.wish(chat, turn, method))

    def body_of(self, user: str, message: str) -> bytes:
        said = {"{user}": user, "{message}": message}
        filled = _FIELD.sub(lambda field: _in_string(said[field[0]]), self.body)
        return filled.encode()

    async def _say(self, chat: Chat, app: App, wish: Wish) -> None:
        async with chat.turn() as flow:
            flow.method, flow.amount_minor, flow.currency = (
                wish.method, wish.amount_minor, wish.currency,
            )  # fmt: skip
            flow.traceparent = encode_traceparent(Trace(app.run, chat.conversation, flow.turn))
            body = self.body_of(chat.user, wish.said())
            told = await flow.call(
                STAGE,
                app_chat.chat(app.at, self.path, body),
                patience_s=self.patience_s,
                whole=True,
            )
            flow.outcome = told.outcome or "ok"


def _in_string(text: str) -> str:
    """As it stands inside the quotes of a JSON string."""
    return msgspec.json.encode(text).decode()[1:-1]


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return False
    return True


_FIELD = re.compile(r"\{(?:user|message)\}")
_PATH = re.compile(r"/[!-\"$-~]*", re.ASCII)
