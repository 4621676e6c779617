"""The same message again: at once, later, from many sides at a time, after Redis was emptied. One effect, one reply."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis as redis_client

from bot.services import Services
from phones.handset import Carrier, Form, Screen
from tests.people import past_every_right
from tests.trust.line import AGREE, AMINA, BARAKA, CLERK, PIN, Line, answers, join_and_buy

BUY = ("1", "1", "1", "2", "1")
BY_PIN = "*".join((*BUY, PIN))
AT_ONCE = 8
CARRIERS: tuple[Carrier, ...] = ("twilio", "africastalking")


@pytest.fixture
def line(services: Services) -> Line:
    """A line on which Amina is a member with one certificate, and nothing goes on."""
    line = Line(services)
    join_and_buy(line.handset(AMINA))
    return line


def begin(line: Line, session: str, *typed: str) -> str:
    """Dial in a session of this name and answer each screen; returns the last one."""
    screen = line.hop(AMINA, session, "")
    for count in range(1, len(typed) + 1):
        screen = line.hop(AMINA, session, "*".join(typed[:count]))
    return screen


def certificates(line: Line) -> int:
    """How many were ever bought."""
    with past_every_right(line.services.database) as db:
        return int(db.exec_driver_sql("SELECT count(*) FROM certificate").scalar_one())


def all_at_once(line: Line, form: Form) -> set[str]:
    """Every different answer to a form that comes from several sides at the same moment."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return set(threads.map(lambda _: line.post(form), range(AT_ONCE)))


def test_a_turn_that_looks_is_answered_the_same_again(line: Line) -> None:
    screens = [begin(line, "s1", "1", "1"), *(line.hop(AMINA, "s1", "1*1") for _ in range(3))]
    assert len(set(screens)) == 1
    assert "Which value" in line.hop(AMINA, "s1", "1*1*1"), "and the conversation goes on from there"


def test_a_dial_that_is_repeated_goes_on_as_one_dialog(line: Line) -> None:
    assert line.hop(AMINA, "s1", "") == line.hop(AMINA, "s1", "")
    assert "What kind" in line.hop(AMINA, "s1", "1")


def test_a_turn_that_moves_value_is_answered_the_same_again_and_moves_it_once(
    line: Line, redis: redis_client.Redis
) -> None:
    begin(line, "s1", *BUY)
    done = line.hop(AMINA, "s1", BY_PIN)
    assert done.startswith("Done") and certificates(line) == 2
    assert line.hop(AMINA, "s1", BY_PIN) == done
    redis.flushdb()
    assert line.hop(AMINA, "s1", BY_PIN) == done
    begin(line, "s2", "HELP")
    assert line.hop(AMINA, "s1", BY_PIN) == done, "also after another dialog"
    assert "How it works" not in line.hop(AMINA, "s2", "HELP*1"), "which goes on undisturbed"
    assert certificates(line) == 2
    line.assert_books_in_order()


def test_a_late_repeat_of_an_earlier_turn_does_not_disturb_the_dialog(line: Line) -> None:
    begin(line, "s1", *BUY[:4])
    for late in ("", "1", "1*1"):
        line.hop(AMINA, "s1", late)
    assert "costs KES 510" in line.hop(AMINA, "s1", "*".join(BUY)), "the answer is heard alone"
    assert line.hop(AMINA, "s1", BY_PIN).startswith("Done")
    assert certificates(line) == 2


def test_a_turn_that_moves_value_comes_from_many_sides_at_once(line: Line) -> None:
    begin(line, "s1", *BUY)
    (answer,) = all_at_once(line, line.ussd(AMINA, "s1", BY_PIN))
    assert answer.startswith("END Done") and certificates(line) == 2
    line.assert_books_in_order()


def test_a_turn_that_looks_comes_from_many_sides_at_once(line: Line) -> None:
    begin(line, "s1", "1", "1")
    (answer,) = all_at_once(line, line.ussd(AMINA, "s1", "1*1*1"))
    assert "Which value" in answer


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_text_is_answered_once_however_often_it_comes(
    line: Line, redis: redis_client.Redis, carrier: Carrier
) -> None:
    handset = line.handset(AMINA, carrier)
    line.say(handset, "BUY")
    texts = line.texts(AMINA)
    handset.repeat()
    redis.flushdb()
    handset.repeat()
    assert line.texts(AMINA) == texts
    assert "Whose" in line.say(handset, "1"), "and the conversation goes on from there"


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_text_that_moves_value_moves_it_once(line: Line, redis: redis_client.Redis, carrier: Carrier) -> None:
    handset = line.handset(AMINA, carrier)
    for words in ("BUY", "1", "1", "2"):
        line.say(handset, words)
    (agreement,) = AGREE.findall(line.say(handset, "1").split("Reply")[-1])
    form = agreeing(line, carrier, agreement)
    before = line.texts(AMINA)
    assert len(all_at_once(line, form)) == 1
    redis.flushdb()
    line.post(form)
    line.say(handset, "HELP")
    line.post(form)
    assert certificates(line) == 2
    replies = [words for _, words in line.texts(AMINA)[len(before) :]]
    assert [words.split(".")[0] for words in replies].count("Done") == 1
    line.assert_books_in_order()


def agreeing(line: Line, carrier: Carrier, words: str) -> Form:
    """One text as a form, to be sent as often as one likes."""
    if carrier == "africastalking":
        return line.africastalking("sms", {"id": "a-1", "from": AMINA, "to": "22384", "text": words})
    account = line.settings.twilio_account_sid
    sent = {"MessageSid": f"SM{'7' * 32}", "AccountSid": account, "From": AMINA, "To": "+15005550006", "Body": words}
    return line.twilio("/sms/twilio", sent)


@pytest.mark.parametrize(
    "transcript",
    [
        "1*1*1*2",  # shorter
        "2*1*1*2*1*7193",  # another beginning
        "1*1*1*2*2*7193",  # another number of sheets
        "1*1*1*2*1*7193*7193",  # further than anybody has got
        "1*1*1*2*17193",
        "7193",
        "*7193",
    ],
)
def test_a_transcript_that_does_not_go_on_from_the_last_one_moves_nothing(line: Line, transcript: str) -> None:
    begin(line, "s1", *BUY)
    before = line.value()
    line.hop(AMINA, "s1", transcript)
    assert line.value() == before


def test_an_answer_to_a_screen_that_is_no_longer_the_last_shown_moves_nothing(line: Line) -> None:
    begin(line, "s1", *BUY)
    begin(line, "s2", "HELP")
    before = line.value()
    line.hop(AMINA, "s1", BY_PIN)
    assert line.value() == before, "another dialog came between"


def test_a_pin_typed_to_one_screen_signs_no_other_that_a_text_has_shown_since(line: Line) -> None:
    begin(line, "s1", *BUY)
    by_text = line.handset(AMINA)
    for words in ("BUY", "1", "1", "4"):
        line.say(by_text, words)
    assert "9 x" in line.say(by_text, "9")
    before = line.value()
    line.hop(AMINA, "s1", BY_PIN)
    assert line.value() == before, "what she sees on the screen she answered is one sheet, not nine"


def test_an_agreement_by_text_signs_only_the_screen_that_showed_it(line: Line) -> None:
    handset = line.handset(AMINA)
    for words in ("BUY", "1", "1", "2"):
        line.say(handset, words)
    first = AGREE.findall(line.say(handset, "1"))[-1]
    second = AGREE.findall(line.say(handset, "hello"))[-1]
    before = line.value()
    if first != second:
        line.say(handset, first)
        assert line.value() == before
    assert certificates(line) == 1


def test_a_gift_is_accepted_once_from_two_channels_at_once(line: Line) -> None:
    assert "Done" in answers(line.handset(AMINA), "GIFT", "1", BARAKA, "0", "1", PIN).text
    by_ussd = line.ussd(BARAKA, "b1", "1")
    line.hop(BARAKA, "b1", "")
    by_text = line.africastalking("sms", {"id": "b-1", "from": BARAKA, "to": "22384", "text": "1"})
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(line.post, [by_ussd, by_text, by_ussd, by_text]))
    told = [words for _, words in line.texts(AMINA) if "accepted" in words]
    assert len(told) == 1
    line.assert_books_in_order()


def test_a_clerk_who_presses_again_is_paid_once(line: Line) -> None:
    code = Screen.read("END " + answers(line.handset(AMINA), "PAY", "1", "0", PIN).text).text[5:19]
    till = line.handset(CLERK)
    approved = [line.say(till, f"USE {code} 120") for _ in range(3)]
    assert len(set(approved)) == 1 and approved[0].startswith("APPROVED")
    line.assert_books_in_order()
    with past_every_right(line.services.database) as db:
        assert db.exec_driver_sql("SELECT count(*) FROM redemption").scalar_one() == 1
