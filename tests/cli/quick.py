"""Profiles that are the shipped ones but faster, as files that a command line can name."""

from pathlib import Path

NAMES = ("--pay", "pay.toml", "--intent", "model.toml", "--confirm", "model.toml")

_FROM = 'provenance = "assumed"\nsource = "tests"\ndate = 2026-01-01\n'
_PAY = """provider = "wechat-ai"
[overhead]
p50_ms = {p50_ms}
p99_ms = {p99_ms}
{source}[session]
share = 0.4
lifetime_s = 900.0
{source}[key]
fetch_ms = 10.0
rotation_days = 30.0
overlap_s = 3600.0
{source}[fee]
rate = 0.006
minimum_minor = 10
currency = "CNY"
{source}"""
_MODEL = """provider = "openai"
[latency]
ttft_p50_ms = {p50_ms}
ttft_p99_ms = {p99_ms}
tokens_per_s = {rate}
{source}"""


def write_profiles(folder: Path, times_faster: float) -> None:
    """pay.toml and model.toml; see NAMES."""
    pay = _PAY.format(p50_ms=980 / times_faster, p99_ms=1200 / times_faster, source=_FROM)
    model = _MODEL.format(
        p50_ms=550 / times_faster,
        p99_ms=2220 / times_faster,
        rate=80 * times_faster,
        source=_FROM,
    )
    (folder / "pay.toml").write_text(pay)
    (folder / "model.toml").write_text(model)
