"""The credentials of real providers, found under the names that their SDKs read; it calls nobody.

Names: the SDKs of OpenAI, Anthropic, Google, DashScope, Mistral, OpenRouter, Portkey and LiteLLM in
source; DeepSeek's and TokenMix.ai's documentation; Stripe's command line and samples; Alipay's MCP
server. WeChat Pay and UnionPay have no SDK that reads any: theirs are the SDKs' own words for what
is needed, under a prefix.

A value is never in what is returned but in its endpoint, which does not print it. A blank variable
is as good as none.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from harness.providers import MODELS
from harness.providers.anthropic import BEARER
from harness.providers.call import Endpoint
from harness.real import keys
from harness.real.hosts import PAYMENT_BASES, problem_of_base, public_base

Mode = Literal["sandbox", "real"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """What opens a provider, and which variables it was found in. Of models, and of WeChat Pay,
    there is no sandbox."""

    provider: str
    mode: Mode
    endpoint: Endpoint
    variables: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    """Variables that an SDK would also read, and that our wire has no place for."""

    @property
    def pays(self) -> bool:
        return self.provider in PAYMENT_BASES


@dataclass(frozen=True, slots=True)
class Missing:
    """Too little is set, and `why` says what to do; `variables` are those that are not."""

    provider: str
    variables: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It is there, and must not be used."""

    provider: str
    variables: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Names:
    """The variables of a provider that has one key. The first that is set wins."""

    keys: tuple[str, ...]
    base: str = ""
    """Of the base URL, "" where the SDKs read none."""
    whole: bool = False
    """Whether that one goes on to where calls begin; else it is the root."""
    unused: tuple[str, ...] = ()


NAMES: Mapping[str, Names] = {
    "openai": Names(
        ("OPENAI_API_KEY",), "OPENAI_BASE_URL", True, ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")
    ),
    "anthropic": Names(("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"), "ANTHROPIC_BASE_URL"),
    "gemini": Names(("GOOGLE_API_KEY", "GEMINI_API_KEY"), "GOOGLE_GEMINI_BASE_URL"),
    "deepseek": Names(("DEEPSEEK_API_KEY",)),
    "qwen": Names(("DASHSCOPE_API_KEY",), "DASHSCOPE_COMPATIBLE_BASE_URL", True),
    "mistral": Names(("MISTRAL_API_KEY",)),
    "openrouter": Names(("OPENROUTER_API_KEY",)),
    "litellm": Names(("LITELLM_PROXY_API_KEY",), "LITELLM_PROXY_API_BASE"),
    "portkey": Names(("PORTKEY_API_KEY",)),
    "tokenmix": Names(("TOKENMIX_API_KEY",)),
    "stripe": Names(("STRIPE_API_KEY", "STRIPE_SECRET_KEY")),
}

ALIPAY = ("AP_APP_ID", "AP_APP_KEY", "AP_PUB_KEY", "AP_CURRENT_ENV")
WECHATPAY = (
    "WECHATPAY_MCHID",
    "WECHATPAY_APPID",
    "WECHATPAY_PRIVATE_KEY",
    "WECHATPAY_CERT_SERIAL_NO",
    "WECHATPAY_PUBLIC_KEY",
    "WECHATPAY_PUBLIC_KEY_ID",
)
UNIONPAY = (
    "UNIONPAY_MER_ID",
    "UNIONPAY_SIGN_CERT",
    "UNIONPAY_SIGN_CERT_PWD",
    "UNIONPAY_ROOT_CERT",
    "UNIONPAY_MIDDLE_CERT",
)
SEVERAL: Mapping[str, tuple[str, ...]] = {
    "alipay-ai": ALIPAY,
    "alipay-v3": ALIPAY,
    "wechatpay": WECHATPAY,
    "unionpay": UNIONPAY,
}
"""The variables of those that need all of several."""

PROVIDERS: tuple[str, ...] = (*NAMES, *SEVERAL)
"""All that have a real counterpart."""

LIVE_ORDERS = "--live-wechat-orders"

_OPEN = frozenset({"AP_APP_ID", "AP_CURRENT_ENV", "UNIONPAY_MER_ID", "WECHATPAY_APPID"}) | {
    "WECHATPAY_MCHID", "WECHATPAY_CERT_SERIAL_NO", "WECHATPAY_PUBLIC_KEY_ID",
    "UNIONPAY_SIGN_CERT", "UNIONPAY_ROOT_CERT", "UNIONPAY_MIDDLE_CERT",
}  # fmt: skip
"""What is no secret. The last three are paths."""


def find(
    provider: str, environ: Mapping[str, str], *, allow_production: bool = False
) -> Found | Missing | Refused:
    """`allow_production` is the user's own word for real orders, at WeChat Pay alone."""
    finding = _Finding(provider, environ)
    try:
        if provider in NAMES:
            return _one_key(finding, NAMES[provider])
        if missing := finding.missing():
            return missing
        if provider == "wechatpay":
            return _wechatpay(finding, allow_production)
        return _unionpay(finding) if provider == "unionpay" else _alipay(finding)
    except _Refuse as refuse:
        return Refused(provider, (refuse.variable,), str(refuse))


def problem_of(found: Found, allow_production: bool) -> str:
    """Why it must not be used after all, "" if it may: whoever made it may have made it otherwise
    than `find` does."""
    at = found.endpoint
    if not found.pays:
        return f"its base URL {told}" if (told := problem_of_base(at.base_url)) else ""
    if at.base_url != PAYMENT_BASES[found.provider]:
        return "its base URL is not that of its test host"
    if found.provider == "stripe" and not _STRIPE_TEST.fullmatch(at.key):
        return "its key is no secret test key"
    if found.provider == "wechatpay" and not allow_production:
        return f"there is no sandbox: real orders need {LIVE_ORDERS}"
    return ""


def secrets_of(environ: Mapping[str, str], found: Iterable[Found] = ()) -> set[str]:
    """Everything of any provider that must never be seen: what is set, what stands in files that
    it names, and the keys that were found."""
    names = {name for of in NAMES.values() for name in of.keys}
    names |= {name for of in SEVERAL.values() for name in of if name not in _OPEN}
    values = {environ[name] for name in names if environ.get(name, "").strip()}
    held = {keys.text_in(value) for value in values if "/" in value or "\\" in value}
    opened = {each.endpoint.key for each in found}
    return {each.strip() for each in values | held | opened if each.strip()}


@dataclass(frozen=True, slots=True)
class _Finding:
    provider: str
    environ: Mapping[str, str] = field(repr=False)

    def value(self, name: str) -> str:
        """ "" where it is not set, or blank."""
        value = self.environ.get(name, "")
        return value if value.strip() else ""

    def plain(self, name: str, form: str) -> str:
        value = self.value(name).strip()
        if not re.fullmatch(form, value, re.ASCII):
            raise _Refuse(name, f"{name} does not look like one: copy it anew")
        return value

    def missing(self) -> Missing | None:
        names = SEVERAL[self.provider]
        unset = tuple(name for name in names if not self.value(name))
        if not unset:
            return None
        if len(unset) == len(names):
            return Missing(self.provider, unset, f"set {', '.join(unset)}")
        some = ", ".join(name for name in names if name not in unset)
        return Missing(
            self.provider, unset, f"{some} set, but not {', '.join(unset)}: set them too"
        )


class _Refuse(Exception):
    def __init__(self, variable: str, why: str) -> None:
        super().__init__(why)
        self.variable = variable


# With one key


def _one_key(finding: _Finding, names: Names) -> Found | Missing | Refused:
    provider = finding.provider
    found = [name for name in names.keys if finding.value(name)]
    for name in found:  # Also one that would not be used: it should not be there.
        _check_key(finding, name, own_base=not (names.base and finding.value(names.base)))
    base = _base(finding, names)
    needed = [] if found else [" or ".join(names.keys)]
    needed += [] if base else [names.base]
    if needed:
        unset = (*(() if found else names.keys), *(() if base else (names.base,)))
        return Missing(provider, unset, f"set {' and '.join(needed)}")
    used = (found[0], *((names.base,) if names.base and finding.value(names.base) else ()))
    at = Endpoint(base, finding.value(found[0]), key_id=_BEARER.get(found[0], ""))
    ignored = tuple(name for name in names.unused if finding.value(name))
    return Found(provider, "sandbox" if provider in PAYMENT_BASES else "real", at, used, ignored)


def _base(finding: _Finding, names: Names) -> str:
    """ "" where everybody has a server of their own, and none is told."""
    told = finding.value(names.base).strip() if names.base else ""
    if not told:
        return public_base(finding.provider)
    if problem := problem_of_base(told):
        raise _Refuse(names.base, f"{names.base} {problem}")
    base, path = told.rstrip("/"), MODELS[finding.provider].BASE_PATH
    return base if names.whole or base.endswith(path) else base + path


def _check_key(finding: _Finding, name: str, own_base: bool) -> None:
    key, provider = finding.value(name), finding.provider
    bare = key.strip().lower()
    if _LIVE.match(bare):
        raise _Refuse(name, f"{name} is a live key of Stripe's: no such key is ever used here")
    if not _PRINTABLE.fullmatch(key):
        raise _Refuse(name, f"{name} holds blanks, quotes or letters that no key has: set it anew")
    if provider == "stripe":
        if not _STRIPE_TEST.fullmatch(key):
            mend = "give a test key, sk_test_... or rk_test_..."
            raise _Refuse(name, f"{name} is no secret test key of Stripe's: {mend}")
        return
    for other, form in _FORMS.items():
        if other != provider and (own_base or other == "stripe") and form.match(key):
            raise _Refuse(name, f"{name} holds a key of {other}'s, which nobody else may see")


# With several


def _alipay(finding: _Finding) -> Found:
    env = finding.value("AP_CURRENT_ENV")
    if env != "sandbox":
        why = "AP_CURRENT_ENV is not sandbox: Alipay's production is never asked, set it to sandbox"
        raise _Refuse("AP_CURRENT_ENV", why)
    at = Endpoint(
        PAYMENT_BASES[finding.provider],
        _read(finding, "AP_APP_KEY", keys.private_key),
        account=finding.plain("AP_APP_ID", "[0-9]{12,20}"),
        peer_key=_read(finding, "AP_PUB_KEY", keys.public_key),
    )
    return Found(finding.provider, "sandbox", at, ALIPAY)


def _wechatpay(finding: _Finding, allow_production: bool) -> Found | Missing:
    at = Endpoint(
        PAYMENT_BASES["wechatpay"],
        _read(finding, "WECHATPAY_PRIVATE_KEY", keys.private_key),
        account=finding.plain("WECHATPAY_MCHID", "[0-9]{8,12}"),
        peer_key=_read(finding, "WECHATPAY_PUBLIC_KEY", keys.public_key),
        key_id=finding.plain("WECHATPAY_CERT_SERIAL_NO", "[0-9A-Fa-f]{16,64}"),
        peer_key_id=finding.plain("WECHATPAY_PUBLIC_KEY_ID", "PUB_KEY_ID_[0-9A-Za-z]{1,64}"),
        app=finding.plain("WECHATPAY_APPID", "[0-9A-Za-z]{6,32}"),
    )
    if not allow_production:
        why = f"WeChat Pay has no sandbox: {LIVE_ORDERS} makes real orders of 0.01 CNY, and closes"
        return Missing("wechatpay", (LIVE_ORDERS,), f"{why} them")
    return Found("wechatpay", "real", at, WECHATPAY)


def _unionpay(finding: _Finding) -> Found:
    password = finding.value("UNIONPAY_SIGN_CERT_PWD")
    key, serial = _read(
        finding, "UNIONPAY_SIGN_CERT", lambda path: keys.signing_pair(path, password)
    )
    chain = [
        _read(finding, name, keys.certificates)
        for name in ("UNIONPAY_ROOT_CERT", "UNIONPAY_MIDDLE_CERT")
    ]
    at = Endpoint(
        PAYMENT_BASES["unionpay"],
        key,
        account=finding.plain("UNIONPAY_MER_ID", "[0-9A-Za-z]{15}"),
        peer_key="".join(chain),
        key_id=serial,
    )
    return Found("unionpay", "sandbox", at, UNIONPAY)


def _read(finding: _Finding, name: str, read: Callable[[str], T]) -> T:
    try:
        return read(finding.value(name))
    except keys.BadKey as bad:
        raise _Refuse(name, f"{name} {bad}") from None


_PRINTABLE = re.compile(r"[!#-&(-~]+")  # Without quotes, which a file of variables may leave.
_LIVE = re.compile(r"\W*(?:(?:sk|rk|pk)_live|sk_org)")
_STRIPE_TEST = re.compile(r"(?:sk|rk)_test_[A-Za-z0-9_]{5,250}")
_FORMS = {
    "stripe": re.compile(r"(?:sk|rk|pk|whsec)_"),
    "anthropic": re.compile("sk-ant-"),
    "openrouter": re.compile("sk-or-"),
    "openai": re.compile("sk-proj-|sk-svcacct-|sk-admin-"),
    "gemini": re.compile("AIza"),
}
"""How keys begin that tell by it whose they are."""
_BEARER = {"ANTHROPIC_AUTH_TOKEN": BEARER}
