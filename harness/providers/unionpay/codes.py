"""What UnionPay's respCode says: two characters, of which each is a fault, a refusal or neither.

The table is that of the gateway's documents (open.unionpay.com, respCode of 5.1.0), as merchants
have copied it into their code. It knows no message.
"""

import re

from harness.providers.call import (
    Malformed,
    Overloaded,
    ProviderFault,
    RateLimited,
    Unauthorized,
    Unreachable,
)

GOOD = ("00", "A6")
"""A6 is a success that lacks something, but a success."""
PENDING = ("03", "04", "05")
"""Nobody knows yet: ask later."""
REPEATED, NOT_FOUND = "12", "34"

WORDS = {
    "00": "成功",
    "01": "交易失败",
    "05": "交易已受理",
    "06": "系统繁忙",
    "10": "报文格式错误",
    "11": "验证签名失败",
    "12": "重复交易",
    "13": "报文交易要素缺失",
    "34": "查无此交易",
    "35": "原交易不存在或状态不正确",
    "36": "与原交易信息不符",
    "37": "已超过最大查询次数或操作过于频繁",
    "45": "原交易已被成功退货或已被成功撤销",
    "61": "输入的卡号无效",
}
"""The beginnings of what is said of those that a mock says."""

_FAULTS: dict[str, type[ProviderFault]] = {
    **dict.fromkeys(PENDING, Unreachable),
    **dict.fromkeys(("02", "06", "99"), Overloaded),
    "37": RateLimited,
    **dict.fromkeys(("11", "31", "32", "43"), Unauthorized),
    **dict.fromkeys(("10", "13", "14"), Malformed),
}
_OTHER = "what the provider knows of it is open"


def fault_of_code(code: str) -> ProviderFault | None:
    """None where the rules of business said yes or no."""
    fault = _FAULTS.get(code)
    if fault is Unreachable:
        return Unreachable(f"{code}: ask later how it stands", code=code, what=_OTHER)
    if fault is not None:
        return fault(code, code=code)
    if re.fullmatch("[0-9A-Z]{2}", code):
        return None
    return Malformed("no respCode that is one")


def declines(code: str) -> bool:
    """Whether the bank or the card said no: 6x and 7x."""
    return code[:1] in ("6", "7")
