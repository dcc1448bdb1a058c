"""A chart's SVG as part of a page: ids of its own, the page's colours, a name; it draws nothing."""

import re
from html import escape

PALETTE = {
    "#222222": "ink",
    "#767676": "grey",
    "#d5d5d5": "faint",
    "#ffffff": "paper",
    "#0072b2": "blue",
    "#009e73": "green",
    "#e69f00": "orange",
    "#d55e00": "vermilion",
    "#cc79a7": "purple",
    "#56b4e9": "sky",
}
"""The charts' colours -> the page's names of them, which are others in the dark."""

_PREAMBLE = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_NOISE = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style\b.*?</style>\s*</defs>", re.DOTALL
)
_OPENING = re.compile(r"<svg\b[^>]*>")
_VIEW = re.compile(r'viewBox="([^"]+)"')
_ID = re.compile(r'\sid="([^"]*)"')
_REFERENCE = re.compile(r'((?:xlink:)?href="#|url\(#)([^")]+)')
_COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
_STYLE = re.compile(r'\s(?:style|fill|stroke|stop-color)="[^"]*"')


def inline(svg: str, name: str, title: str, description: str) -> str:
    """The `<svg>` element alone, as an image with this title and description.

    Its ids begin with `name`, so that charts on one page do not take each other's glyphs and clips;
    those that nothing refers to are dropped.
    """
    body = _NOISE.sub("", _PREAMBLE.sub("", svg))
    opening = _OPENING.match(body)
    assert opening is not None, f"{name} is no SVG"
    view = _VIEW.search(opening[0])
    body = body[opening.end() :]
    referred = {found[2] for found in _REFERENCE.finditer(body)}
    body = _ID.sub(lambda m: f' id="{name}-{m[1]}"' if m[1] in referred else "", body)
    body = _REFERENCE.sub(lambda m: f"{m[1]}{name}-{m[2]}", body)
    body = _STYLE.sub(lambda m: _COLOUR.sub(_variable, m[0]), body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'class="chart" role="img" viewBox="{view[1] if view else "0 0 1 1"}" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(description)}</desc>{body}'
    )


def width_of(svg: str) -> float:
    """How wide the chart was drawn, in its own units."""
    view = _VIEW.search(svg)
    return float(view[1].split()[2]) if view else 0.0


def _variable(colour: re.Match[str]) -> str:
    name = PALETTE.get(colour[0].lower())
    return f"var(--{name})" if name else colour[0]
