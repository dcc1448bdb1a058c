"""Every wire by name. A wire is one pure, role-blind file: it encodes and decodes for both."""

from harness.providers import openai, wechat_ai

WIRES = {
    wechat_ai.NAME: wechat_ai,
    openai.NAME: openai,
}
