"""What the SMPP process remembers: parts of texts in the right order, and which text is which."""

import redis as redis_client

from bot.channels.smpp import Text
from bot.channels.smpp_texts import GSM7, UCS2, Place
from bot.sealing import Seal
from bot.smpp_memory import Dialog, Memory
from circulation.msisdn import Msisdn

PHONE, OTHER = Msisdn("+254712345678"), Msisdn("+254712345679")


def memory(redis: redis_client.Redis, key: str = "k" * 32) -> Memory:
    return Memory(redis, Seal(key))


def part(number: int, body: bytes, total: int = 2, reference: int = 7) -> Text:
    return Text(PHONE, Place(reference, total, number), UCS2, body)


def test_a_text_of_one_part_is_whole(redis: redis_client.Redis) -> None:
    assert memory(redis).whole(Text(PHONE, None, GSM7, b"MENU"), PHONE) == "MENU"


def test_parts_are_joined_in_their_order_even_inside_a_character(redis: redis_client.Redis) -> None:
    words = "Zawadi 🎁 ni yako".encode("utf-16-be")
    cut = words.index("🎁".encode("utf-16-be")) + 2
    ours = memory(redis)
    assert ours.whole(part(2, words[cut:]), PHONE) is None
    assert ours.whole(part(2, words[cut:]), PHONE) is None  # delivered twice
    assert ours.whole(part(1, words[:cut]), PHONE) == "Zawadi 🎁 ni yako"


def test_parts_of_different_texts_and_phones_are_kept_apart(redis: redis_client.Redis) -> None:
    ours = memory(redis)
    assert ours.whole(part(1, b"\x00A"), PHONE) is None
    assert ours.whole(part(2, b"\x00B"), OTHER) is None
    assert ours.whole(part(2, b"\x00C", reference=8), PHONE) is None
    assert ours.whole(part(2, b"\x00D"), PHONE) == "AD"


def test_after_it_was_answered_a_text_of_the_same_number_begins_anew(redis: redis_client.Redis) -> None:
    ours = memory(redis)
    ours.whole(part(1, b"\x00A"), PHONE)
    assert ours.whole(part(2, b"\x00B"), PHONE) == "AB"
    ours.answered(part(2, b"\x00B"), PHONE, "AB")
    assert ours.whole(part(2, b"\x00C"), PHONE) is None


def test_parts_under_another_key_are_as_if_they_had_not_come(redis: redis_client.Redis) -> None:
    memory(redis).whole(part(1, b"\x00A"), PHONE)
    other = memory(redis, "o" * 32)
    assert other.whole(part(2, b"\x00B"), PHONE) is None


def test_a_text_has_one_name_on_two_binds_and_two_on_one(redis: redis_client.Redis) -> None:
    ours = memory(redis)
    first = ours.identity(PHONE, "1", "bind A")
    assert ours.identity(PHONE, "1", "bind B") == first
    assert ours.identity(PHONE, "1", "bind B") != first
    assert ours.identity(OTHER, "1", "bind C") != ours.identity(PHONE, "2", "bind C")


def test_a_hop_that_comes_again_adds_nothing_until_its_screen_was_shown() -> None:
    dialog = Dialog("s", "", "", shown=True).after("1")
    assert (dialog.text, dialog.after("1")) == ("1", dialog)
    shown = Dialog(dialog.session, dialog.text, dialog.typed, shown=True)
    assert shown.after("1").text == "1*1"
    assert dialog.after("2").text == "1*2"
