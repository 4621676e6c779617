"""The translators' catalogues: every sentence people may see, and how the .po files are kept in step with them.

English is the message id. `bin/giftline words` brings the catalogues up to date; they hold no dates and no line
numbers, so that they change only when a sentence does.
"""

from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po

from bot import catalogue, gift_page_words, heeding, loop_guard, showing, turn, voice
from bot.lint_texts import options_of
from bot.source import complaints
from circulation import mailing, media, notices, refusals
from flows import EVERY

HEADER = """\
# Giftline: {language}. Kept up to date by `bin/giftline words`: translate each msgid, keep its {{holes}}.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""


def sentences() -> list[str]:
    """Every sentence that people may see, in English, each once, in the order in which the product says them."""
    return list(_sentences())


def update(locales: Path = catalogue.LOCALES) -> dict[str, int]:
    """Bring every catalogue up to date: new sentences untranslated, those no longer said dropped, order as said.

    Returns how many sentences each language still lacks.
    """
    return {path.parent.parent.name: _update(path) for path in sorted(locales.glob("*/LC_MESSAGES/giftline.po"))}


def _update(path: Path) -> int:
    language = path.parent.parent.name
    with path.open("rb") as file:
        known = {entry.id: str(entry.string) for entry in read_po(file)}
    updated = Catalog()
    for sentence, place in _sentences().items():
        updated.add(sentence, known.get(sentence, ""), locations=[(place, 0)])
    with path.open("wb") as file:
        file.write(HEADER.format(language=language).encode())
        write_po(file, updated, width=0, omit_header=True, include_lineno=False)
    return sum(1 for entry in updated if entry.id and not entry.string)


def _sentences() -> dict[str, str]:
    """Each sentence with the file in which it is said first."""
    found: dict[str, str] = {}
    for sentence, place in _said():
        if sentence:
            found.setdefault(sentence, place)
    return found


def _said() -> Iterator[tuple[str, str]]:
    for name, flow in EVERY.items():
        yield flow.unfinished, f"flows/{name}.py"
        for step in flow.steps:
            yield from ((sentence, f"flows/{name}.py") for sentence in (step.sentence, *options_of(flow, step)))
    yield from complaints().items()
    for place, said in (
        ("bot/showing.py", showing.SENTENCES),
        ("bot/heeding.py", heeding.SENTENCES),
        ("bot/loop_guard.py", (loop_guard.WAIT,)),
        ("bot/turn.py", turn.SENTENCES),
        ("bot/voice.py", voice.SENTENCES),
        ("bot/gift_page_words.py", gift_page_words.SENTENCES),
        ("circulation/mailing.py", mailing.SENTENCES),
        ("circulation/media.py", media.SENTENCES),
        ("circulation/refusals.py", refusals.SENTENCES.values()),
        ("circulation/notices.py", notices.SENTENCES),
    ):
        yield from ((sentence, place) for sentence in said)
