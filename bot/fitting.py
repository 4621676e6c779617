"""Whether a text fits: its encoding, its units, its SMS segments, and its pages on a small screen.

GSM-7 holds 160 characters in a text or screen, UCS-2 only 70, and one character outside GSM-7's alphabet
makes the whole text UCS-2. The alphabet is 3GPP TS 23.038, 6.2.1 and 6.2.1.1.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Literal

_EXTENSION = frozenset("^{}\\[~]|€\f")
_GSM7 = _EXTENSION | frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)

_PLAIN = str.maketrans(
    {
        # no-break, en, em, thin, figure and narrow spaces
        **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
        # what formatters leave behind and no phone shows: soft hyphen, byte order mark, direction marks
        **dict.fromkeys("\u00ad\ufeff\u061c\u200e\u200f"),
        **dict.fromkeys("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"),
        # single quotes, grave and acute accents standing alone, the prime
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u0060\u00b4\u2032", "'"),
        # double quotes, guillemets, the double prime
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
        # hyphens, dashes, the minus sign
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "…": "...",
        "•": "*",
    }
)


@dataclass(frozen=True)
class Budget:
    """How much one message may hold: `gsm7` septets, or `ucs2` UTF-16 code units."""

    gsm7: int
    ucs2: int

    def __post_init__(self) -> None:
        # so that a text which does not fit cannot be made to fit by adding to it: an extension character
        # costs two septets but one UCS-2 unit
        if not 0 < self.ucs2 <= self.gsm7 / 2:
            raise ValueError("the UCS-2 budget must be positive and at most half the GSM-7 budget")

    def holds(self, text: str) -> bool:
        """Whether `text` fits, judged in its own encoding."""
        return units(text) <= (self.gsm7 if encoding(text) == "gsm7" else self.ucs2)


USSD = Budget(160, 70)
"""One screen. The network would carry 182 septets (3GPP TS 23.038, 6.1.2.3), but Safaricom shows 160
(Africa's Talking, help article 1284096), and 160 septets are 140 octets, which is 70 UCS-2 units."""

SMS = Budget(459, 201)
"""Three segments of 153 septets or 67 units. A pair on a segment's border can make it four."""


def encoding(text: str) -> Literal["gsm7", "ucs2"]:
    """The encoding `text` travels in: "gsm7" when its alphabet holds every character, else "ucs2"."""
    return "gsm7" if _GSM7.issuperset(text) else "ucs2"


def units(text: str) -> int:
    """The length of `text` in its own encoding: septets (extension characters take two) or UTF-16 units."""
    if encoding(text) == "gsm7":
        return len(text) + sum(map(_EXTENSION.__contains__, text))
    return _utf16(text)


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> int:
    """How many SMS `text` is sent and billed as: one up to 160 septets or 70 units, else parts of 153 or 67.

    An extension character or a surrogate pair is never split between two parts. An empty text is one SMS.
    """
    return len(parts(text))


def parts(text: str) -> list[str]:
    """`text` cut into the SMS it is sent as; joined again they are the text."""
    gsm7 = encoding(text) == "gsm7"
    whole, part = (160, 153) if gsm7 else (70, 67)
    if units(text) <= whole:
        return [text]
    begins, used = [0], 0
    for place, char in enumerate(text):
        cost = 2 if (char in _EXTENSION if gsm7 else char > "\uffff") else 1
        if used + cost > part:
            begins.append(place)
            used = 0
        used += cost
    return [text[begin:end] for begin, end in zip(begins, [*begins[1:], len(text)], strict=True)]


def plain(text: str) -> str:
    """`text` without the typography that would make it UCS-2 for nothing.

    Special spaces, quotes, dashes, ellipsis and bullets become their GSM-7 likes, direction marks go, and
    letters are composed (NFC: `e` + accent becomes the `é` that GSM-7 has). No letter of any language becomes
    another.
    """
    return text if _GSM7.issuperset(text) else unicodedata.normalize("NFC", text.translate(_PLAIN))


# the end of a line, or white space after a full stop (also ideographic, Devanagari, Ethiopic, Arabic) and a
# quote
_SENTENCE_END = re.compile(r"(?<=[.!?:…\u3002\uff1f\uff01\u0964\u1362\u061f\u06d4])['\")]?\s|\n")

_ZWJ = "\u200d"
_VIRAMA = 9
"""The combining class of the sign that binds two consonants of an Indic script into one."""


def pages(head: str, options: Sequence[str], budget: Budget, more: str) -> list[str]:
    """Lay out `head` and one line per option as pages that each fit `budget` in their own encoding.

    Every page but the last ends with the line `more`. An option is split only when it is longer than a page
    by itself; a long head is split after a sentence or else a word, and never inside what a reader sees as
    one character, unless that alone is longer than a page. No word is lost; white space is lost only at the
    ends of lines and pages. Always at least one page. Takes time in proportion to the text. ValueError when
    `more` leaves no room for anything else.
    """
    tail = "\n" + more
    if _utf16(tail) + 2 > budget.ucs2:
        raise ValueError("the line that says there is more fills the page")
    first, *rest = [head.strip(), *(line for line in map(str.strip, options) if line)]
    text = "\n".join([first, *rest] if first else rest)
    if budget.holds(text):
        return [text]

    sheet = _Sheet(text, budget, tail)
    # where each option begins: what a page may always end before
    begins = list(accumulate((len(line) + 1 for line in rest[:-1]), initial=len(first) + 1 if first else 0))
    laid_out: list[str] = []
    start = 0
    while not sheet.ends_with_page(start):
        furthest = sheet.furthest(start)
        option = bisect_right(begins, furthest + 1)
        end = begins[option - 1] - 1 if option else start
        if end <= start:
            end = sheet.break_before(start, furthest)
        laid_out.append(text[start:end].rstrip() + tail)
        start = end
        while text[start].isspace():
            start += 1
    return [*laid_out, text[start:]]


class _Sheet:
    """A text too long for a page, its costs added up so that any stretch of it is measured in one step.

    It neither begins nor ends with white space.
    """

    def __init__(self, text: str, budget: Budget, tail: str) -> None:
        self._text = text
        self._whole = (budget.gsm7, budget.ucs2)
        # what the last line of a page leaves of it; when that line is UCS-2, no page is GSM-7
        self._rest = (
            budget.gsm7 - units(tail) if encoding(tail) == "gsm7" else 0,
            budget.ucs2 - _utf16(tail),
        )
        self._septets = list(accumulate((2 if char in _EXTENSION else 1 for char in text), initial=0))
        self._units = list(accumulate((2 if char > "\uffff" else 1 for char in text), initial=0))
        self._foreign = [place for place, char in enumerate(text) if char not in _GSM7] + [len(text)]

    def ends_with_page(self, start: int) -> bool:
        """Whether everything from `start` fits one page, which then needs no line that says there is more."""
        return self._reach(start, *self._whole) == len(self._text)

    def furthest(self, start: int) -> int:
        """The furthest place at which a page from `start` can end and still say that there is more."""
        return self._reach(start, *self._rest)

    def break_before(self, start: int, furthest: int) -> int:
        """The best place for a page of running text to end: after a sentence, or a word, or a cluster."""
        half = (start + furthest) // 2
        # an early sentence does not end a page that would then be half empty
        for found in reversed([*_SENTENCE_END.finditer(self._text, half, furthest + 1)]):
            if self._is_gap(found.end() - 1):
                return found.end() - 1
        gap = next((place for place in range(furthest, start, -1) if self._is_gap(place)), start)
        if gap > half or (gap > start and self._has_short_word(gap + 1)):
            return gap
        cuts = (place for place in range(furthest, start, -1) if self._parts_clusters(start, place))
        return next(cuts, furthest)

    def _reach(self, start: int, gsm7: int, ucs2: int) -> int:
        """How far a text from `start` goes within `gsm7` septets or, once it is UCS-2, `ucs2` units."""
        as_gsm7 = bisect_right(self._septets, self._septets[start] + gsm7) - 1
        as_ucs2 = bisect_right(self._units, self._units[start] + ucs2) - 1
        return max(as_ucs2, min(as_gsm7, self._foreign[bisect_left(self._foreign, start)]))

    def _is_gap(self, place: int) -> bool:
        """Whether two words are parted here: by white space that carries no accent."""
        return self._text[place].isspace() and not _extends(self._text[place + 1])

    def _has_short_word(self, start: int) -> bool:
        """Whether the word that begins here is no longer than a page."""
        furthest = self.furthest(start)
        return furthest == len(self._text) or any(map(self._is_gap, range(start, furthest + 1)))

    def _parts_clusters(self, start: int, place: int) -> bool:
        """Whether a reader sees one character end before `place` and another begin, in a page from `start`.

        A simple rule after Unicode Standard Annex 29 that needs only the standard library's tables.
        """
        char, previous = self._text[place], self._text[place - 1]
        if previous == _ZWJ or unicodedata.combining(previous) == _VIRAMA or _extends(char):
            return False
        if not _is_flag_half(char):
            return True
        halves = takewhile(_is_flag_half, (self._text[before] for before in range(place - 1, start - 1, -1)))
        return sum(1 for _ in halves) % 2 == 0


def _extends(char: str) -> bool:
    """Whether `char` belongs to the one before it: marks, joiners, Thai and Lao am, skin tones, tags."""
    return (
        unicodedata.category(char).startswith("M")
        or char in "\u200c\u200d\u0e33\u0eb3"
        or "\u1160" <= char <= "\u11ff"  # the vowels and finals of Korean written letter by letter
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    )


def _is_flag_half(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
