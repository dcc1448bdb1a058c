"""Answers by a stranger, who lies, signed with a key that nobody published; nothing else changes.

Struck are the wires that sign their answers: alipay-ai, alipay-v3, wechatpay and unionpay. What was
asked for is done all the same, and the answer tells of another end than the true one. In which
words is each wire's own business.
"""

from collections.abc import Callable
from typing import TypeVar

from harness.providers.told import DrawKey
from mocks.keys import signing_pair
from mocks.setting import Setting

T = TypeVar("T")


def told_by(setting: Setting, provider: str, key: DrawKey, own: T, stranger: Callable[[], T]) -> T:
    """What is answered to that call, and who signs it: the provider's own, or a stranger's in its
    place."""
    if setting.faults is None or not setting.strikes("unknown-keys", provider, key):
        return own
    return stranger()


def stranger_pem() -> str:
    """A private key that belongs to no provider."""
    return signing_pair("stranger")[0]


def under_known_name(setting: Setting, key: DrawKey) -> bool:
    """Whether the stranger calls its key by the name of one that was published: half of them do."""
    return setting.luck("known name", key) < 0.5
