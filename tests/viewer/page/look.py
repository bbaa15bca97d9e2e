"""How a page looks, in one short word: the styles of all that is on it, without what differs from machine to machine.

Sizes and places depend on the fonts that are installed, so they do not count; colours, borders and the like do.
"""

from __future__ import annotations

import json
from hashlib import sha256

from viewer.page.browser import Visit

PROPERTIES = (
    "backgroundColor",
    "borderBottom",
    "borderLeft",
    "borderRadius",
    "borderRight",
    "borderTop",
    "boxShadow",
    "color",
    "display",
    "fontFamily",
    "fontSize",
    "fontWeight",
    "opacity",
    "outline",
    "padding",
    "textDecorationLine",
)

SCRIPT = """properties => [...document.querySelectorAll('body, body *')].map(one => {
  const style = getComputedStyle(one);
  const name = [one.tagName, ...one.classList].join('.').toLowerCase();
  return [name, ...properties.map(property => style[property])].join(' | ');
})"""


def look(page: Visit) -> str:
    """Return a digest of each kind of element with its style; how many there are of a kind does not count."""
    styles = sorted(set(page.page.evaluate(SCRIPT, PROPERTIES)))
    return sha256(json.dumps(styles).encode()).hexdigest()[:16]
