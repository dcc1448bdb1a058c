"""How one draw of a cold payment's whole overhead is shared out between its calls."""

from msgspec import structs

from harness import draws
from harness.providers.told import DrawKey
from mocks.figures import Overhead
from mocks.latency import Delays


def session_s(delays: Delays, key: DrawKey, overhead: Overhead, share: float) -> float:
    """Opening or refreshing a session takes its share."""
    # A second session of a turn, after a pre-warm for the wrong method, must meet what the only
    # session of the turn meets in another strategy.
    first = key if key.attempt == 1 else structs.replace(key, attempt=1)
    return draws.microseconds(delays.overhead_s(first, overhead) * share)


def rest_s(delays: Delays, key: DrawKey, overhead: Overhead, share: float) -> float:
    """Every other call takes what the session's share leaves of it."""
    whole_s = delays.overhead_s(key, overhead)
    return draws.microseconds(whole_s) - draws.microseconds(whole_s * share)
