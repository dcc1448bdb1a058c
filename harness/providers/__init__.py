"""Every wire by name. A wire is one pure, role-blind file: it encodes and decodes for both."""

from types import ModuleType

from harness.providers import (
    alipay_ai,
    alipay_v3,
    anthropic,
    dialects,
    flat,
    gateways,
    gemini,
    openai,
    stripe,
    unionpay,
    unionpay_ai,
    wechat_ai,
    wechatpay,
)
from harness.providers.chat import ModelWire

PAYMENTS: dict[str, ModuleType] = {
    wechat_ai.NAME: wechat_ai,
    alipay_ai.NAME: alipay_ai,
    alipay_v3.NAME: alipay_v3,
    flat.NAME: flat,
    stripe.NAME: stripe,
    unionpay_ai.NAME: unionpay_ai,
    unionpay.NAME: unionpay,
    wechatpay.NAME: wechatpay,
}

GATEWAYS = gateways.GATEWAYS
"""The wires of those that stand before models of others."""

_MODELS: tuple[ModelWire, ...] = (
    openai.OPENAI,
    anthropic.ANTHROPIC,
    gemini.GEMINI,
    *dialects.DIALECTS,
    *GATEWAYS.values(),
)
MODELS: dict[str, ModelWire] = {wire.NAME: wire for wire in _MODELS}
SECOND: dict[str, ModelWire] = {wire.NAME: wire for wire in (gemini.COMPATIBLE,)}
"""The wires that a provider speaks besides its own, under a base path of their own."""
