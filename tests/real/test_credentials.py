"""Credentials are found under the names that SDKs read, and a wrong one is never used or shown."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.providers import MODELS, PAYMENTS
from harness.providers.call import Endpoint
from harness.providers.environment import ENVIRONMENT
from harness.real.credentials import (
    NAMES,
    PROVIDERS,
    SEVERAL,
    Found,
    Missing,
    Refused,
    find,
    problem_of,
    secrets_of,
)
from tests.real import sample

BASES = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
    "deepseek": "https://api.deepseek.com",
    "qwen": "https://dashscope.aliyuncs.com/compatible-mode/v1",
    "mistral": "https://api.mistral.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "portkey": "https://api.portkey.ai/v1",
    "litellm": "http://127.0.0.1:4000/v1",
    "tokenmix": "https://api.tokenmix.ai/v1",
}


def _all(folder: Path) -> dict[str, str]:
    several = sample.alipay() | sample.wechatpay() | sample.unionpay(folder)
    return {**sample.MODELS, **several, "STRIPE_API_KEY": sample.STRIPE_KEY}


def test_every_provider_of_models_has_names_and_every_name_a_provider() -> None:
    assert {*MODELS} == {*BASES} == {*NAMES} - {"stripe"}
    assert {*PROVIDERS} == {*NAMES, *SEVERAL}
    assert {"wechat-ai", "unionpay-ai", "flat"} == {*PAYMENTS} - {*PROVIDERS}


def test_what_clients_of_mocks_are_told_to_set_is_what_is_read_here() -> None:
    for provider, variables in ENVIRONMENT.items():
        names = NAMES[provider]
        keys = [name for name, text in variables.items() if text == "{key}"]
        bases = {name: text == "{url}" for name, text in variables.items() if text != "{key}"}
        assert {*keys} <= {*names.keys}
        assert bases == ({names.base: names.whole} if names.base else {})


@pytest.mark.parametrize(("provider", "base_url"), BASES.items())
def test_a_model_is_found_at_its_own_host(provider: str, base_url: str) -> None:
    found = sample.found(provider, sample.MODELS)
    name = NAMES[provider].keys[-1 if provider == "gemini" else 0]
    assert found.endpoint.base_url == base_url
    assert found.endpoint.key == sample.MODELS[name]
    assert (found.mode, found.variables[0]) == ("real", name)
    assert not found.pays


def test_payments_are_found_at_their_test_hosts_and_at_no_other(tmp_path: Path) -> None:
    environ = _all(tmp_path)
    hosts = {name: sample.found(name, environ) for name in (*SEVERAL, "stripe")}
    assert {name: (found.endpoint.base_url, found.mode) for name, found in hosts.items()} == {
        "stripe": ("https://api.stripe.com", "sandbox"),
        "alipay-ai": ("https://openapi-sandbox.dl.alipaydev.com", "sandbox"),
        "alipay-v3": ("https://openapi-sandbox.dl.alipaydev.com", "sandbox"),
        "wechatpay": ("https://api.mch.weixin.qq.com", "real"),
        "unionpay": ("https://gateway.test.95516.com", "sandbox"),
    }


def test_the_keys_of_signed_wires_are_pem_whatever_form_they_came_in(tmp_path: Path) -> None:
    private, public = sample.private_pem(), sample.public_pem()
    files = {"AP_APP_KEY": private, "AP_PUB_KEY": sample.bare(public)}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    forms: list[dict[str, str]] = [
        {"AP_APP_KEY": private, "AP_PUB_KEY": public},
        {"AP_APP_KEY": sample.bare(private), "AP_PUB_KEY": sample.bare(public)},
        {"AP_APP_KEY": private.replace("\n", "\\n"), "AP_PUB_KEY": public},
        {name: str(tmp_path / name) for name in files},
    ]
    for form in forms:
        at = sample.found("alipay-v3", sample.alipay() | form).endpoint
        assert (at.key, at.peer_key, at.account) == (private, public, "9021000100000001")


def test_unionpay_signs_by_the_key_in_its_pfx_and_names_it_by_its_serial(tmp_path: Path) -> None:
    at = sample.found("unionpay", sample.unionpay(tmp_path)).endpoint
    assert (at.key, at.key_id) == (sample.private_pem(), str(sample.SERIAL))
    assert at.peer_key.count("-----BEGIN CERTIFICATE-----") == 2


def test_wechat_pay_is_found_only_by_a_second_word() -> None:
    environ = sample.wechatpay()
    missing = find("wechatpay", environ)
    assert isinstance(missing, Missing)
    assert "--live-wechat-orders" in missing.why
    at = sample.found("wechatpay", environ).endpoint
    assert at.app == environ["WECHATPAY_APPID"]
    assert at.peer_key_id == environ["WECHATPAY_PUBLIC_KEY_ID"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_with_nothing_set_each_tells_what_would_be_read(provider: str) -> None:
    missing = find(provider, {"HOME": "/root", "AP_APP_KEY": " \n"})
    assert isinstance(missing, Missing)
    assert missing.variables
    assert all(name in missing.why for name in missing.variables)


@pytest.mark.parametrize("provider", SEVERAL)
def test_what_is_partly_set_tells_exactly_what_is_not(provider: str, tmp_path: Path) -> None:
    for name in SEVERAL[provider]:
        missing = find(provider, _all(tmp_path) | {name: " "}, allow_production=True)
        assert isinstance(missing, Missing)
        assert missing.variables == (name,)


def test_litellm_needs_an_address_too() -> None:
    missing = find("litellm", {"LITELLM_PROXY_API_KEY": "sk-litellm-not-a-key"})
    assert missing == Missing("litellm", ("LITELLM_PROXY_API_BASE",), "set LITELLM_PROXY_API_BASE")


def test_of_two_names_the_sdks_own_order_decides() -> None:
    both = {"GEMINI_API_KEY": "AIzaSyTheOtherOne", "GOOGLE_API_KEY": "AIzaSyTheFirstOne"}
    assert sample.found("gemini", both).variables == ("GOOGLE_API_KEY",)
    token = {"ANTHROPIC_AUTH_TOKEN": "token-not-a-key"}
    assert sample.found("anthropic", token).endpoint.key_id == "bearer"
    key = {"ANTHROPIC_API_KEY": "sk-ant-not-a-key"}
    assert sample.found("anthropic", token | key).endpoint.key_id == ""


def test_what_our_wire_has_no_place_for_is_told() -> None:
    found = sample.found("openai", {**sample.MODELS, "OPENAI_ORG_ID": "org-1"})
    assert found.ignored == ("OPENAI_ORG_ID",)


BAD_STRIPE = [
    "sk_live_51TollbenchNotAKey",
    "rk_live_51TollbenchNotAKey",
    "pk_live_51TollbenchNotAKey",
    "pk_test_51TollbenchNotAKey",
    "sk_org_51TollbenchNotAKey",
    "sk_org_test_51TollbenchNotAKey",
    " sk_live_51TollbenchNotAKey",
    "\nsk_live_51TollbenchNotAKey",
    "\u200bsk_live_51TollbenchNotAKey",
    "SK_LIVE_51TollbenchNotAKey",
    "sk_test_51TollbenchNotAKey\n",
    "sk_test_51TollbenchNotAKey\nsk_live_51TollbenchNotAKey",
    "sk_test_51 TollbenchNotAKey",
    " sk_test_51TollbenchNotAKey",
    "\u0455k_test_51TollbenchNotAKey",
    "sk\uff3ftest_51TollbenchNotAKey",
    "sk_test_",
    "sk-test-51TollbenchNotAKey",
    "xsk_test_51TollbenchNotAKey",
    "Bearer sk_test_51TollbenchNotAKey",
    "sk_test_51Tollbench/NotAKey",
    "whsec_51TollbenchNotAKey",
    "sk-proj-tollbench-not-a-key",
]


@pytest.mark.parametrize("name", NAMES["stripe"].keys)
@pytest.mark.parametrize("key", BAD_STRIPE)
def test_no_key_but_a_secret_test_key_opens_stripe(key: str, name: str) -> None:
    refused = find("stripe", {name: key})
    assert isinstance(refused, Refused)
    assert refused.variables == (name,)
    assert "TollbenchNotAKey" not in refused.why


def test_a_live_key_beside_a_test_key_is_refused_too() -> None:
    environ = {"STRIPE_API_KEY": sample.STRIPE_KEY, "STRIPE_SECRET_KEY": "sk_live_51NotAKey123"}
    refused = find("stripe", environ)
    assert isinstance(refused, Refused)
    assert refused.variables == ("STRIPE_SECRET_KEY",)


WRONG_PROVIDER = [
    ("OPENAI_API_KEY", "sk_live_51TollbenchNotAKey"),
    ("OPENAI_API_KEY", "sk_test_51TollbenchNotAKey"),
    ("OPENAI_API_KEY", "sk-ant-api03-not-a-key"),
    ("MISTRAL_API_KEY", "sk-proj-tollbench-not-a-key"),
    ("DEEPSEEK_API_KEY", "AIzaSyNotAKeyNotAKeyNotAKey"),
    ("ANTHROPIC_API_KEY", "sk-or-v1-not-a-key"),
    ("GOOGLE_API_KEY", "rk_test_51TollbenchNotAKey"),
    ("LITELLM_PROXY_API_KEY", "sk_test_51TollbenchNotAKey"),
    ("OPENAI_API_KEY", "sk-proj-tollbench\r\nx-evil: 1"),
    ("OPENAI_API_KEY", "'sk_test_51TollbenchNotAKey'"),
    ("OPENAI_API_KEY", '"sk_org_51TollbenchNotAKey'),
]


@pytest.mark.parametrize(("name", "key"), WRONG_PROVIDER)
def test_a_key_of_another_provider_is_refused(name: str, key: str) -> None:
    provider = next(of for of, names in NAMES.items() if name in names.keys)
    refused = find(provider, {**sample.MODELS, name: key})
    assert isinstance(refused, Refused)
    assert (refused.variables, key in refused.why) == ((name,), False)


BAD_BASES = [
    "http://api.openai.com/v1",
    "ftp://api.openai.com/v1",
    "https://",
    "api.openai.com/v1",
    "https://user:pass@api.openai.com/v1",
    "https://api.openai.com/v1?key=1",
    "https://api.openai.com/v1#there",
    "https://api.stripe.com/v1",
    "https://openapi.alipay.com",
    "https://api.mch.weixin.qq.com/v3",
    "http://127.0.0.1.evil.test/v1",
    "http://localhost.evil.test/v1",
    "https://[::1/v1",
    "https://api.openai.com:99999/v1",
    "https://\u2603\u2603\u2603..test",
    "https://api.stripe.com.",
    "https://files.stripe.com/v1",
    "https://mclient.alipay.com",
]


@pytest.mark.parametrize("base", BAD_BASES)
def test_a_base_url_that_may_not_be_is_refused(base: str) -> None:
    refused = find("openai", {**sample.MODELS, "OPENAI_BASE_URL": base})
    assert isinstance(refused, Refused)
    assert refused.variables == ("OPENAI_BASE_URL",)
    assert problem_of(Found("openai", "real", Endpoint(base, "sk-not-a-key"), ()), True)


@pytest.mark.parametrize(
    ("provider", "name", "base", "becomes"),
    [
        ("openai", "OPENAI_BASE_URL", "https://gateway.test/v9/", "https://gateway.test/v9"),
        ("openai", "OPENAI_BASE_URL", "http://localhost:8080/v1", "http://localhost:8080/v1"),
        ("openai", "OPENAI_BASE_URL", "http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("anthropic", "ANTHROPIC_BASE_URL", "https://gateway.test", "https://gateway.test"),
        ("gemini", "GOOGLE_GEMINI_BASE_URL", "https://gateway.test/", "https://gateway.test"),
        ("litellm", "LITELLM_PROXY_API_BASE", "http://127.0.0.1:4000/v1", "http://127.0.0.1:4000/v1"),
    ],
)  # fmt: skip
def test_a_model_may_be_elsewhere(provider: str, name: str, base: str, becomes: str) -> None:
    found = sample.found(provider, {**sample.MODELS, name: base})
    assert found.endpoint.base_url == becomes
    assert name in found.variables


def test_no_variable_moves_a_payment() -> None:
    """Whatever the environment says, those hosts are written here."""
    moved = {f"{name}_BASE_URL": "https://evil.test" for name in ("STRIPE", "ALIPAY", "AP")}
    moved |= {"STRIPE_API_BASE": "https://evil.test", "AP_GATEWAY": "https://evil.test"}
    stripe = sample.found("stripe", {**moved, "STRIPE_API_KEY": sample.STRIPE_KEY})
    assert stripe.endpoint.base_url == "https://api.stripe.com"
    assert "evil" not in sample.found("alipay-ai", sample.alipay() | moved).endpoint.base_url


@pytest.mark.parametrize("env", ["prod", "production", "Sandbox", "sandbox ", "sandbox\nprod"])
def test_alipay_is_asked_in_its_sandbox_only(env: str) -> None:
    refused = find("alipay-ai", sample.alipay() | {"AP_CURRENT_ENV": env})
    assert isinstance(refused, Refused)
    assert refused.variables == ("AP_CURRENT_ENV",)


BROKEN: list[tuple[str, str, str]] = [
    ("alipay-ai", "AP_APP_KEY", "not a key"),
    ("alipay-ai", "AP_APP_KEY", "QUJD" * 50),
    ("alipay-ai", "AP_APP_KEY", "/nowhere/at/all"),
    ("alipay-ai", "AP_APP_KEY", "\0"),
    ("alipay-ai", "AP_APP_KEY", "/dev/zero"),
    ("alipay-v3", "AP_PUB_KEY", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
    ("alipay-v3", "AP_APP_ID", "9021\n"),
    ("wechatpay", "WECHATPAY_MCHID", '1900000109",evil="1'),
    ("wechatpay", "WECHATPAY_PUBLIC_KEY_ID", "PUB_KEY"),
    ("unionpay", "UNIONPAY_SIGN_CERT_PWD", "not the password"),
    ("unionpay", "UNIONPAY_ROOT_CERT", "/nowhere/at/all"),
]


@pytest.mark.parametrize(("provider", "name", "value"), BROKEN)
def test_a_key_that_is_none_is_told_without_it(
    provider: str, name: str, value: str, tmp_path: Path
) -> None:
    refused = find(provider, _all(tmp_path) | {name: value}, allow_production=True)
    assert isinstance(refused, Refused)
    assert name in refused.why
    assert "\n" not in refused.why


def test_no_value_is_ever_shown(tmp_path: Path) -> None:
    environ = _all(tmp_path)
    everything = [find(name, environ, allow_production=True) for name in PROVIDERS]
    everything += [find(name, _spoiled(environ), allow_production=True) for name in PROVIDERS]
    told = repr(everything)
    for secret in secrets_of(environ) | secrets_of(_spoiled(environ)):
        for line in secret.splitlines():
            assert line.startswith("-----") or line not in told.replace("000000", "")


def test_all_that_is_secret_is_known_to_be(tmp_path: Path) -> None:
    environ = _all(tmp_path) | {"AP_APP_KEY": str(tmp_path / "key.pem"), "STRIPE_SECRET_KEY": " "}
    (tmp_path / "key.pem").write_text(sample.private_pem())
    secrets = secrets_of(environ)
    assert sample.private_pem().strip() in secrets
    assert {sample.STRIPE_KEY, sample.OPENAI_KEY, "000000"} <= secrets
    assert environ["WECHATPAY_MCHID"] not in secrets
    assert "" not in secrets


def _spoiled(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: f"{value} " for name, value in environ.items()}
