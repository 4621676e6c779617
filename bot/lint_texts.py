"""Lint of what is shown: every screen and notice laid out in every language, with the longest value in every hole."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from bot import fitting
from bot.catalogue import Catalogue
from bot.dialog import Choose, Detour, End, Flow, Registry, Sign, Step
from bot.parsing import NOT_IN_LIST
from bot.showing import BACK, BY_NUMBER, BY_PIN, GO_ON, MORE, NOT_BY_SMS, WHERE_YOU_WERE
from bot.source import Unreadable, complaints, made_options
from circulation import notices as told
from circulation import refusals
from circulation.contents import MOST_PACKED
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.values import Value
from contents.outside import LONGEST_TITLE

MOST_PAGES = 4
"""A screen that takes more paging than this is not read to its end."""
MOST_PAGES_UCS2 = 7
"""The same, when it holds a message in another script: 80 emoji alone are 160 UTF-16 units, of which a page has room
for 61 beside the line that says there is more."""
MOST_ALOUD = 1_200
"""Characters that are said in one go. A voice says about fifteen in a second, and after more than a minute nobody knows what
was asked."""
MOST_SEGMENTS = 3
"""A notice is billed by the segment."""
MOST_SEGMENTS_UCS2 = 6
"""A notice with a gift's message in another script: a segment holds 67 UTF-16 units instead of 153 septets."""

EXTREMES: Mapping[str, Value] = {
    "agreement": "9999",
    "account": "W" * 40,
    "amount": Money(100_000_050, "KES"),
    "at": datetime(2026, 11, 30, 20, 59, tzinfo=UTC),
    "bank_reference": "RF18 7KQ4 MXW2",
    "balance": Money(100_000_050, "KES"),
    "code": "1234 5678 9012",
    "count": 50,
    "country_name": "Democratic Republic of the Congo",
    "currency": "KES",
    "day": date(2026, 11, 30),
    "digits": 2,
    "earlier": Msisdn("+254712345678"),
    "example": "0712 123456",
    "giver": "W" * 40,
    "issuer": "W" * 24,
    "left": Money(100_000_050, "KES"),
    "length": 1600,
    "link": "https://giftline.example.com/g/" + "W" * 40,
    "limit": Money(100_000_050, "KES"),
    "lines": 100_000,
    "missing": Money(100_000_050, "KES"),
    "most": 80,
    "note": "\N{WRAPPED PRESENT}" * 80,
    "number": "999999",
    "others": 19,
    "paid": 20,
    "parts": 20,
    "recipient": Msisdn("+254712345678"),
    "reference": "W" * 8,
    "service_code": "*384*4438*999#",
    "share": Money(100_000_050, "KES"),
    "sheets": 9,
    "store": "W" * 30,
    "title": "W" * LONGEST_TITLE,
    "titles": ", ".join(["W" * LONGEST_TITLE] * MOST_PACKED),
    "total": Money(900_000_050, "KES"),
    "until": datetime(2026, 11, 30, 20, 59, tzinfo=UTC),
    "worth": Money(100_000_050, "KES"),
}
"""The longest value of each hole in what is no flow's: refusals, complaints, notices, the engine's own sentences."""


def options_of(flow: type[Flow], step: Step) -> list[str]:
    """Every sentence that a line of this step's list may be. Raises Unreadable."""
    if not isinstance(step, Choose):
        return []
    if not isinstance(step.options, str):
        return list(step.options.values())
    known = callable(getattr(flow, step.options, None))
    return list(dict.fromkeys(made.sentence for made in made_options(flow, step.options))) if known else []


def screens(flows: Registry, flow: type[Flow], catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The steps of `flow` whose screens are too long, each with what is too long about them.

    A list with names or amounts in its lines is as long as what the customer has, and is paged line by line: of it each
    line must fit a page, and the rest is measured without it.
    """
    detours = [flows[step.flow] for step in flow.steps if isinstance(step, Detour) and step.flow in flows]
    for step in flow.steps:
        try:
            options = options_of(flow, step)
        except Unreadable:  # told by the rules on options
            continue
        if not flow.holes.keys() >= {hole for text in (step.sentence, *options) for hole in catalogue.names(text)}:
            continue  # told by the rules on holes
        for language in catalogue.languages:
            said = [
                catalogue.say(language, end.sentence, other.holes)
                for other in detours
                for end in other.steps
                if isinstance(end, End)
            ]
            screen = _Screen(flow, step, options, language, catalogue, said)
            yield from ((step.name, f"{detail} ({language})") for detail in screen.faults())


def notices(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """The notices that take too many SMS segments."""
    for sentence in told.SENTENCES:
        for language in catalogue.languages:
            text = catalogue.say(language, sentence, EXTREMES)
            most = MOST_SEGMENTS if fitting.encoding(text) == "gsm7" else MOST_SEGMENTS_UCS2
            if (segments := fitting.segments(text)) > most:
                yield sentence, f"{segments} segments, more than {most} ({language})"


def offers_to_go_on(flow: type[Flow], catalogue: Catalogue) -> Iterator[str]:
    """What is too long about the text to a person whose line dropped in the middle of this flow."""
    if not flow.unfinished or not flow.holes.keys() >= set(catalogue.names(flow.unfinished)):
        return  # nothing is sent; or told by the rules on holes
    for language in catalogue.languages:
        told = catalogue.say(language, flow.unfinished, flow.holes)
        text = f"{told} {catalogue.say(language, GO_ON, EXTREMES)}"
        if (segments := fitting.segments(text)) > MOST_SEGMENTS:
            yield f"{segments} segments, more than {MOST_SEGMENTS} ({language}): {text!r}"


class _Screen:
    """One step as people of one language see it."""

    def __init__(
        self,
        flow: type[Flow],
        step: Step,
        options: Sequence[str],
        language: str,
        catalogue: Catalogue,
        said_by_detours: Sequence[str],
    ) -> None:
        self._say = catalogue.say
        self._language = language
        self._more = self._own(MORE)
        head = self._say(language, step.sentence, flow.holes)
        self._heads = (
            [f"{head} {self._own(sign)}" for sign in (BY_PIN, BY_NUMBER)] if isinstance(step, Sign) else [head]
        )
        self._lines = [self._say(language, option, flow.holes) for option in options]
        self._aloud = catalogue.say(language, step.sentence, flow.holes, aloud=True)
        self._is_list_of_values = any(map(catalogue.names, options))
        self._can_be_heard = not isinstance(step, End)
        self._said_by_detours = said_by_detours

    def faults(self) -> Iterator[str]:
        for line in self._lines:
            if len(fitting.pages("", [f"99. {line}", self._more], fitting.USSD, self._more)) > 1:
                yield f"a line does not fit a page: {line!r}"
        shown = [] if self._is_list_of_values else [f"{number}. {line}" for number, line in enumerate(self._lines, 1)]
        back = [self._own(BACK)] if self._lines else []
        for before in ("", *self._said_before()):
            for head in self._heads:
                text = f"{before} {head}".strip()
                pages = fitting.pages(text, [*shown, *back], fitting.USSD, self._more)
                most = MOST_PAGES if all(fitting.encoding(page) == "gsm7" for page in pages) else MOST_PAGES_UCS2
                if len(pages) > most:
                    yield f"{len(pages)} pages, more than {most}: {text!r}"
        if len(self._aloud) > MOST_ALOUD:
            yield f"{len(self._aloud)} characters to be said, more than {MOST_ALOUD}: {self._aloud!r}"

    def _said_before(self) -> list[str]:
        """Whatever may stand before the step's own words: why the last answer would not do, where we go on, a detour's end."""
        heard = [NOT_IN_LIST, NOT_BY_SMS, WHERE_YOU_WERE, *complaints()] if self._can_be_heard else []
        return [*self._said_by_detours, *map(self._own, (*refusals.SENTENCES.values(), *heard))]

    def _own(self, sentence: str) -> str:
        return self._say(self._language, sentence, EXTREMES)
