"""The variables of the environment that SDKs find a provider by, filled in for an address; it reads
no environment and sets none.

The names are from the SDKs' own sources, versions of November 2026; `*_API_KEY` of DeepSeek,
OpenRouter and TokenMix are those of their documentation.
"""

from collections.abc import Mapping

from harness.providers import MODELS
from harness.providers.call import Endpoint

ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "openai": {"OPENAI_BASE_URL": "{url}", "OPENAI_API_KEY": "{key}"},
    "anthropic": {"ANTHROPIC_BASE_URL": "{root}", "ANTHROPIC_API_KEY": "{key}"},
    "gemini": {"GOOGLE_GEMINI_BASE_URL": "{root}", "GEMINI_API_KEY": "{key}"},
    "deepseek": {"DEEPSEEK_API_KEY": "{key}"},
    "qwen": {"DASHSCOPE_COMPATIBLE_BASE_URL": "{url}", "DASHSCOPE_API_KEY": "{key}"},
    "mistral": {"MISTRAL_API_KEY": "{key}"},
    "openrouter": {"OPENROUTER_API_KEY": "{key}"},
    "litellm": {"LITELLM_PROXY_API_BASE": "{root}", "LITELLM_PROXY_API_KEY": "{key}"},
    "portkey": {"PORTKEY_API_KEY": "{key}"},
    "tokenmix": {"TOKENMIX_API_KEY": "{key}"},
    "stripe": {"STRIPE_API_KEY": "{key}"},
}
"""By provider. `root` is the provider's base path, `url` goes on to where its calls begin."""


def environment_at(at: Mapping[str, Endpoint]) -> dict[str, str]:
    """For clients of the providers at these addresses. An SDK that reads no base URL there has its
    key alone."""
    return {
        name: filled(text, provider, to)
        for provider, to in at.items()
        for name, text in ENVIRONMENT.get(provider, {}).items()
    }


def filled(text: str, provider: str, at: Endpoint) -> str:
    return text.format(root=root_of(provider, at.base_url), url=at.base_url, key=at.key)


def root_of(provider: str, base_url: str) -> str:
    """What stands before the path that the provider itself has."""
    wire = MODELS.get(provider)
    return base_url.removesuffix(wire.BASE_PATH) if wire else base_url
