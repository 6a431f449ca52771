"""Elements of HTML and SVG, so that what comes from data cannot become markup."""

import html


def text(value: object) -> str:
    """Return a value as text that stands for itself between tags and in attributes."""
    return html.escape(str(value), quote=True)


def element(name: str, *content: str, **attributes: object) -> str:
    """Return an element.

    Args:
        name: Its name.
        content: What is in it, which is markup already: elements, or what :func:`text` returns.
        attributes: Its attributes, which are escaped here. An underscore at the end is left out, others become dashes;
            True stands for an attribute without a value, and None or False for no attribute.
    """
    shown = {_name(key): value for key, value in attributes.items() if value is not None and value is not False}
    words = [key if value is True else f'{key}="{text(value)}"' for key, value in shown.items()]
    return f"<{' '.join([name, *words])}>{''.join(content)}</{name}>"


def _name(key: str) -> str:
    return key.removesuffix("_").replace("_", "-")
