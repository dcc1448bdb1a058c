"""What a provider's service does wrong: it turns calls away in its own words, or its proxy answers
in nobody's; it decides no payment."""

from collections.abc import Callable

from msgspec import structs

from harness.answer import Answer
from harness.faults import Fault
from harness.providers.told import DrawKey
from mocks.capacity import Turned

Strikes = Callable[[Fault, str, DrawKey], bool]
"""Whether a fault strikes that call of that provider; if so, it is noted."""

RETRY_AFTER_S = 1.0
"""What is told to whoever is turned away, on wires that tell it."""

NOBODYS_PAGE = (
    b"<html>\r\n<head><title>500 Internal Server Error</title></head>\r\n<body>\r\n"
    b"<center><h1>500 Internal Server Error</h1></center>\r\n</body>\r\n</html>\r\n"
)
"""As a proxy writes it that knows nothing of the wire."""


def turned_by(strikes: Strikes, provider: str, key: DrawKey) -> Turned | None:
    """How this call is turned away, if it is: before anything of it is done."""
    if strikes("rate-limits", provider, key):
        return Turned("rate_limited", RETRY_AFTER_S)
    if strikes("overloads", provider, key):
        return Turned("overloaded", RETRY_AFTER_S)
    return None


def spoilt(answer: Answer) -> Answer:
    """What a proxy makes of it: all was done, and when it has come, nothing of it is passed on."""
    headers = {"content-type": "text/html", "content-length": str(len(NOBODYS_PAGE))}
    return structs.replace(
        answer, status=500, headers=headers, times=answer.times[-1:], chunks=[NOBODYS_PAGE]
    )
