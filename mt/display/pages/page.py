"""HTML pages from templates, with pictures as SVG inside them."""

from functools import cache
from io import StringIO
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure


@cache
def environment() -> Environment:
    """Return the templates' environment, which escapes every value that is filled in."""
    return Environment(
        loader=PackageLoader("mt.display.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """Fill in a template and return the page."""
    return environment().get_template(template).render(**values)


def as_svg(figure: Figure) -> Markup:
    """Return a picture as part of a page, its letters drawn as shapes so that no font can be missing."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return Markup(text[text.index("<svg") :])


def lang_attribute(lang: str) -> str:
    """Return a language as HTML writes it, so that a browser chooses glyphs: `zh-Hant` for `zh_Hant`."""
    return lang.replace("_", "-")
