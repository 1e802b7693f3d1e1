"""Templates filled in, and pictures as text within them."""

from __future__ import annotations

from functools import cache
from io import StringIO
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure


@cache
def environment() -> Environment:
    """Where templates are found; what is filled in cannot become markup."""
    return Environment(
        loader=PackageLoader("mt.display.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """A page."""
    return environment().get_template(template).render(**values)


def as_svg(figure: Figure) -> Markup:
    """A picture as part of a page; letters are drawn, so that no font is missing where it is read."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])
