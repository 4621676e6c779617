"""Every sentence is said in every language, whole, in letters that every phone shows."""

import re
from collections import Counter
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from bot import fitting, words
from bot.catalogue import LOCALES, SOURCE, Catalogue
from bot.keywords import ANYWHERE, RESERVED, STARTS, STOPS
from bot.lint_texts import options_of
from bot.showing import BACK, MORE
from bot.source import complaints
from circulation import notices, refusals
from flows import FLOWS
from flows.language import LANGUAGES

CATALOGUE = Catalogue(country="KE", zone="Africa/Nairobi")
TRANSLATED = [language for language in CATALOGUE.languages if language != SOURCE]
SENTENCES = words.sentences()
TOLD_TO_TEXT = re.compile(r"\btext(?:ing)? [A-Z]{2,}")
IN_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")


def test_sentences_of_every_kind_are_collected() -> None:
    assert {
        "What kind of certificate?",  # a step
        "Accept",  # an option of a table
        "My certificates",  # an option made by a method
        "Pharmacy",  # a kind, which is data that a method makes an option of
        "That is not the same PIN.",  # a flow's complaint
        "The amount must be more than zero.",  # the parsers'
        "That looks like a landline. Gifts go to mobile phones.",  # the phone number's
        MORE,
        notices.CODE,
        refusals.SENTENCES["locked"],
    } <= set(SENTENCES)
    assert len(SENTENCES) == len(set(SENTENCES))


def test_the_languages_people_choose_from_are_those_we_have() -> None:
    assert list(LANGUAGES) == CATALOGUE.languages


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_sentence_is_translated(language: str) -> None:
    assert [sentence for sentence in SENTENCES if not CATALOGUE.translation(language, sentence)] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_translation_has_the_holes_of_its_sentence(language: str) -> None:
    for sentence in SENTENCES:
        translated = CATALOGUE.translation(language, sentence) or ""
        assert Counter(Catalogue.names(translated)) == Counter(Catalogue.names(sentence)), sentence
        assert sorted(char for char in translated if char in "{}") == sorted(char for char in sentence if char in "{}")


@pytest.mark.parametrize("language", CATALOGUE.languages)
def test_no_sentence_turns_a_text_into_ucs_2(language: str) -> None:
    said = [CATALOGUE.translation(language, sentence) or "" for sentence in SENTENCES]
    assert [text for text in said if fitting.encoding(text) == "ucs2"] == []


@pytest.mark.parametrize("language", CATALOGUE.languages)
def test_no_sentence_is_a_word_that_carriers_keep(language: str) -> None:
    said = [CATALOGUE.translation(language, sentence) or "" for sentence in SENTENCES]
    assert [text for text in said if text.strip(" .!").upper() in RESERVED] == []


@pytest.mark.parametrize("language", CATALOGUE.languages)
def test_the_way_back_and_the_next_page_keep_their_numbers_and_their_words_are_understood(language: str) -> None:
    for sentence, number, meaning in ((MORE, "98", "more"), (BACK, "0", "back")):
        shown, word = (CATALOGUE.translation(language, sentence) or "").split(". ")
        assert shown == number
        assert ANYWHERE[word.upper()] == meaning


@pytest.mark.parametrize("language", CATALOGUE.languages)
def test_a_language_is_called_by_its_own_name_in_every_language(language: str) -> None:
    for name in (*LANGUAGES.values(), "Lugha/Language", "Choose your language. Chagua lugha yako."):
        assert CATALOGUE.translation(language, name) == name


@pytest.mark.parametrize("language", CATALOGUE.languages)
def test_words_that_people_are_told_to_text_are_keywords(language: str) -> None:
    """Such as "Or text BUY"; in capitals, so that they are seen."""
    hints = [text for text in SENTENCES if TOLD_TO_TEXT.search(text)]
    assert len(hints) >= 10
    for hint in hints:
        said = CATALOGUE.translation(language, hint) or ""
        words_told = set(IN_CAPITALS.findall(said)) - {"SMS", "PIN"}
        assert words_told, said
        assert words_told <= {*FLOWS.keywords, *STOPS, *STARTS}, said


@pytest.mark.parametrize("language", CATALOGUE.languages)
def test_the_lines_of_one_list_differ(language: str) -> None:
    for name, flow in FLOWS.items():
        for step in flow.steps:
            lines = [CATALOGUE.translation(language, option) for option in options_of(flow, step)]
            assert len(lines) == len(set(lines)), f"{name}: {step.name}"


def test_the_catalogues_are_as_the_command_would_write_them(tmp_path: Path) -> None:
    for language in TRANSLATED:
        kept = LOCALES / language / "LC_MESSAGES" / "giftline.po"
        copy = tmp_path / language / "LC_MESSAGES" / "giftline.po"
        copy.parent.mkdir(parents=True)
        copy.write_bytes(kept.read_bytes())
        assert words.update(tmp_path)[language] == 0
        assert copy.read_bytes() == kept.read_bytes(), "run bin/giftline words"


def test_an_update_adds_what_is_new_and_drops_what_is_no_longer_said(tmp_path: Path) -> None:
    po = tmp_path / "fr" / "LC_MESSAGES" / "giftline.po"
    po.parent.mkdir(parents=True)
    po.write_text('msgid "Accept"\nmsgstr "Yup"\n\nmsgid "Nobody says this"\nmsgstr "Nope"\n')
    assert words.update(tmp_path) == {"fr": len(SENTENCES) - 1}
    with po.open("rb") as file:
        written = {entry.id: entry.string for entry in read_po(file) if entry.id}
    assert list(written) == SENTENCES
    assert written["Accept"] == "Yup"
    assert "Date" not in po.read_text()


def test_complaints_name_the_file_they_stand_in() -> None:
    assert complaints()["That is not the same PIN."] == "flows/pin.py"
