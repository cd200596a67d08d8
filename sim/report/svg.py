"""SVG as values: elements, text and numbers, each escaped in the one place where it becomes markup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from markupsafe import Markup, escape

Number: TypeAlias = int | float
Attribute: TypeAlias = str | int | float | None


def element(name: str, *content: str | Markup, **attributes: Attribute) -> Markup:
    """Make an element; `class_` is `class`, `stroke_width` is `stroke-width`, None leaves an attribute out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(part) for part in content)
    return Markup("<{}{}>{}</{}>").format(name, written, inside, name)


def text(x: Number, y: Number, words: str, *, anchor: str = "start", class_: str | None = None) -> Markup:
    """Write words at a place."""
    return element("text", words, x=x, y=y, text_anchor=anchor, class_=class_)


def titled(shape: str, words: str, **attributes: Attribute) -> Markup:
    """Make a shape that says what it is when somebody points at it, or has it read aloud."""
    return element(shape, element("title", words), **attributes)


def line(x1: Number, y1: Number, x2: Number, y2: Number, class_: str) -> Markup:
    """Draw a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def steps(points: Sequence[tuple[Number, Number]]) -> str:
    """Give the path that keeps each value until the next one."""
    parts = [f"M{_value(points[0][0])} {_value(points[0][1])}"]
    height = points[0][1]
    for x, y in points[1:]:
        parts.append(f"H{_value(x)}")
        if y != height:
            parts.append(f"V{_value(y)}")
            height = y
    return "".join(parts)


def steps_back(points: Sequence[tuple[Number, Number]]) -> str:
    """Continue a path from the end of the same curve to its beginning."""
    x, y = points[-1]
    parts = [f"L{_value(x)} {_value(y)}"]
    for x, height in reversed(points[:-1]):
        if height != y:
            parts.append(f"V{_value(height)}")
            y = height
        parts.append(f"H{_value(x)}")
    return "".join(parts)


def picture(identifier: str, width: int, height: int, title: str, description: str, *content: Markup) -> Markup:
    """Make the whole drawing: as wide as its place, with a title and a description for those who do not see it."""
    return element(
        "svg",
        element("title", title, id=f"{identifier}-title"),
        element("desc", description, id=f"{identifier}-desc"),
        *content,
        id=identifier,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_labelledby=f"{identifier}-title {identifier}-desc",
    )


def _value(value: Attribute) -> str:
    """Write a number with as many digits as can be seen."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
