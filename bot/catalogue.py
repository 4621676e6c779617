"""Translate first, then fill in. The English sentence is the message id; translations are gettext catalogues.

Holes are {names}; amounts, phone numbers and times are written as people of the language write them, in characters
that a GSM-7 text can carry. A filled-in value is never looked at again, so that nobody's words become a template.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, get_currency_precision

from bot.fitting import plain
from bot.spoken import said
from circulation.email_address import Email
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.values import Value

LOCALES = Path(__file__).parent.parent / "locales"
SOURCE = "en"
_HOLE = re.compile(r"\{([a-z_]+)\}")


class Catalogue:
    """All languages, read once. Unknown languages and untranslated sentences are said in English."""

    default = SOURCE

    def __init__(self, *, country: str, zone: str, locales: Path = LOCALES) -> None:
        self._country = country
        self._zone = ZoneInfo(zone)
        self._sentences = {
            path.parent.parent.name: _read(path) for path in sorted(locales.glob("*/LC_MESSAGES/giftline.po"))
        }

    @property
    def languages(self) -> list[str]:
        """English and every language with a catalogue."""
        return [SOURCE, *self._sentences]

    def translation(self, language: str, sentence: str) -> str | None:
        """The sentence in `language`; None when there is none."""
        return sentence if language == SOURCE else self._sentences.get(language, {}).get(sentence)

    def say(self, language: str, sentence: str, holes: Mapping[str, Value], *, aloud: bool = False) -> str:
        """The sentence in `language`, its holes filled: to be read, or to be said `aloud`.

        A hole without a value raises KeyError: a bug, not bad input.
        """
        translated = self.translation(language, sentence) or sentence
        fill = self._said if aloud else self._written
        return _HOLE.sub(lambda hole: fill(language, hole[1], holes[hole[1]]), translated)

    @staticmethod
    def names(sentence: str) -> list[str]:
        """The holes of a sentence."""
        return _HOLE.findall(sentence)

    def _said(self, language: str, hole: str, value: Value) -> str:
        known = language if language in self._sentences else SOURCE
        return said(hole, value, language=known, country=self._country, zone=self._zone)

    def _written(self, language: str, _: str, value: Value) -> str:
        match value:
            case Money():
                return _amount(value, language if language in self._sentences else SOURCE)
            case Msisdn():
                return value.national(self._country)
            case Email():
                return value.address
            case datetime():
                return plain(format_datetime(value.astimezone(self._zone), "d MMM HH:mm", locale=language))
            case date():
                return plain(format_date(value, "d MMM y", locale=language))
        return str(value)


@lru_cache(maxsize=4096)
def _amount(money: Money, language: str) -> str:
    """`KES 1,500`; cents only where there are any."""
    digits = get_currency_precision(money.currency)
    whole, minor = divmod(money.amount_minor, 10**digits)
    pattern = f"#,##0.{'0' * digits}" if minor else "#,##0"
    value = Decimal(money.amount_minor).scaleb(-digits) if minor else whole
    return plain(f"{money.currency} {format_decimal(value, pattern, locale=language)}")


def _read(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id and entry.string}
