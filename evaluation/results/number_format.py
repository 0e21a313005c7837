"""How numbers and missing values are written in reports: fixed digits, a real minus sign, p-values down to 0.001."""

from __future__ import annotations

import math
from typing import Any, Literal

__all__ = ["MISSING", "Kind", "as_number", "format_interval", "format_number", "format_p", "format_value", "p_phrase"]

#: "text" unchanged; "integer" without and "number" with decimals; "signed" with + or −; "percent" of a share; "p" a p-value.
Kind = Literal["text", "integer", "number", "signed", "percent", "p"]
#: Written for a missing value.
MISSING = "–"
_NARROW_SPACE = "\u202f"


def as_number(value: Any) -> float:
    """Return a value as a float; NaN if it is missing or not a number."""
    try:
        return math.nan if value is None else float(value)
    except (TypeError, ValueError):
        return math.nan


def format_number(value: float, digits: int, *, signed: bool = False) -> str:
    """Return a number with fixed decimals; five or more digits before the point are grouped in threes.

    A number that rounds to zero has no sign.
    """
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    text = f"{abs(value):.{digits}f}"
    whole, point, decimals = text.partition(".")
    if len(whole) > 4:
        whole = f"{int(whole):,}".replace(",", _NARROW_SPACE)
    zero = not text.strip("0.")
    sign = "" if zero else "−" if value < 0 else "+" if signed else ""
    return f"{sign}{whole}{point}{decimals}"


def format_p(value: float) -> str:
    """Return a p-value with three decimals, or `<0.001` or `>0.999`."""
    if math.isnan(value):
        return MISSING
    if value < 0.001:
        return "<0.001"
    return ">0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def p_phrase(value: float) -> str:
    """Return a p-value for a sentence: `p = 0.012`, `p < 0.001`, `p > 0.999`; `p –` if it is missing."""
    text = format_p(value)
    if text == MISSING:
        return f"p {text}"
    return f"p {text[0]} {text[1:]}" if text[0] in "<>" else f"p = {text}"


def format_value(value: Any, kind: Kind, digits: int = 3) -> str:
    """Return a value as text for a cell of a table.

    Parameters
    ----------
    value : object
        Any value of a column; None, NaN and empty text are missing.
    kind : Kind
    digits : int
        Decimals of "number", "signed" and "percent".
    """
    if kind == "text":
        missing = value is None or value == "" or (isinstance(value, float) and math.isnan(value))
        return MISSING if missing else str(value)
    number = as_number(value)
    if kind == "p":
        return format_p(number)
    if kind == "percent":
        text = format_number(100 * number, digits)
        return text if text == MISSING else f"{text}{_NARROW_SPACE}%"
    return format_number(number, 0 if kind == "integer" else digits, signed=kind == "signed")


def format_interval(low: Any, high: Any, kind: Kind, digits: int = 3) -> str:
    """Return `[low, high]`; empty if both ends are missing."""
    if math.isnan(as_number(low)) and math.isnan(as_number(high)):
        return ""
    return f"[{format_value(low, kind, digits)}, {format_value(high, kind, digits)}]"
