"""Mocks that take next to no time, for tests on the real clock; it asserts nothing."""

from msgspec import structs

from harness.providers.chat import Ask, Message
from mocks.host import MockConfig
from mocks.profile import ModelProfile, PaymentProfile, load

SAID = "Payment txn_0: 45.80 CNY to noodles with balance: paid"


def fast_mocks(tokens_per_s: float = 1e9) -> MockConfig:
    """WeChat Pay AI, and the model "teller" at OpenAI, whose first token takes 20 ms."""
    pay = load("wechat-ai", PaymentProfile)
    model = load("gpt-4o", ModelProfile)
    overhead = structs.replace(pay.overhead, p50_ms=20.0, p99_ms=20.0)
    latency = structs.replace(
        model.latency, ttft_p50_ms=20.0, ttft_p99_ms=20.0, tokens_per_s=tokens_per_s
    )
    return MockConfig(
        seed=1,
        pay={"wechat-ai": structs.replace(pay, overhead=overhead)},
        models={"teller": structs.replace(model, latency=latency)},
    )


def chat(stream: bool = False) -> Ask:
    return Ask(model="teller", messages=[Message("user", SAID)], stream=stream)
