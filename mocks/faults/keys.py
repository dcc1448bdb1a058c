"""A sealing key that rotates between seal and open; it opens nothing.

For the call that is struck there is no overlap: its key is retired. Everybody else meets a rotation
as any other, so that no call is struck but those that were meant.
"""

from harness.providers.told import DrawKey
from mocks.keys import KeyRing
from mocks.setting import Setting


def rotated(setting: Setting, provider: str, key: DrawKey, ring: KeyRing, key_id: str) -> bool:
    """Whether the key that this call was sealed with is retired just before it is opened. A key
    that is not accepted anyway is not struck."""
    if setting.faults is None or ring.accepted(key_id) is None:
        return False
    if not setting.strikes("rotations", provider, key):
        return False
    ring.rotate(key_id)
    return True
