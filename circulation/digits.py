"""Digits as people type them, in any script, read as 0-9."""

import unicodedata


def fold_digits(text: str) -> str:
    """`text` with every decimal digit of every script (Arabic-Indic, Devanagari, full-width ...) as ASCII.

    Everything else stays: '²' and '①' look like digits but are no decimal digits, and `int` refuses them.
    """
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(char, char)) for char in text)
