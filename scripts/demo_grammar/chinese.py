"""Chinese numerals and times."""

from __future__ import annotations

DIGITS = "零一二三四五六七八九"
WEEKDAYS = "一二三四五六天"


def number(n: int) -> str:
    """Return a whole number below ten thousand in characters: 一百零五 for 105, 十二 for 12."""
    if n < 10:
        return DIGITS[n]
    if n < 20:
        return "十" + (DIGITS[n % 10] if n % 10 else "")
    if n < 100:
        return DIGITS[n // 10] + "十" + (DIGITS[n % 10] if n % 10 else "")
    unit, name = (1000, "千") if n >= 1000 else (100, "百")
    head = ("两" if unit == 1000 and n // unit == 2 else DIGITS[n // unit]) + name
    rest = n % unit
    if not rest:
        return head
    if rest < unit // 10:
        return head + "零" + number(rest)
    return head + ("一" + number(rest) if 10 <= rest < 20 else number(rest))


def count(n: int) -> str:
    """Return a number before a measure word, where 2 is 两."""
    return "两" if n == 2 else number(n)


def year(n: int) -> str:
    """Return a year, digit by digit."""
    return "".join(DIGITS[int(digit)] for digit in str(n)) + "年"
