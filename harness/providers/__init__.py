"""Every wire by name. A wire is one pure, role-blind file: it encodes and decodes for both."""

from types import ModuleType

from harness.providers import openai, wechat_ai
from harness.providers.chat import ModelWire

PAYMENTS: dict[str, ModuleType] = {
    wechat_ai.NAME: wechat_ai,
}

MODELS: dict[str, ModelWire] = {wire.NAME: wire for wire in (openai.OPENAI,)}
