"""Loop guard: who answers everything we say is answered ten times; who does something is always answered."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from bot import loop_guard
from bot.conversation import Conversation
from bot.keywords import declines, wants_again
from bot.loop_guard import MOST, MOST_IDLE, WAIT, WINDOW_SECONDS
from bot.messages import Inbound, Reply
from bot.places import opened
from bot.services import Services
from bot.turn import take_turn
from circulation import members
from circulation.msisdn import Msisdn
from circulation.wishes import Purpose
from storage.conversations import Place
from tests.people import People

PHONE = Msisdn("+254712918273")
LONGEST = 60
"""More texts than any guard lets pass."""


class Peer:
    """Whoever is at the other end of that number."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.people = People(services)
        self.last = WAIT.format(service_code=services.settings.service_code)

    def text(self, words: str) -> str:
        return take_turn(self.services, Inbound("twilio", "sms", uuid4().hex, PHONE, words)).text

    def answers(self, write: Callable[[str], str]) -> list[str]:
        """What we say to one who writes this to whatever we say, beginning with "hello", until we say nothing more."""
        said = [self.text("hello")]
        while said[-1] and len(said) < LONGEST:
            said.append(self.text(write(said[-1])))
        return said[:-1]

    def sent(self) -> int:
        return len(self.people.texts(PHONE))

    def place(self) -> Conversation:
        return opened(self.services, self.services.conversations.load(self.person))

    def later(self, seconds: float) -> None:
        """So long later, as far as the place knows."""
        place = self.services.conversations.load(self.person)
        conversation = opened(self.services, place)
        conversation.silent_until -= seconds
        conversation.said = [(int(at - seconds), said, idle) for at, said, idle in conversation.said]
        body = self.services.seal.seal(conversation.to_bytes())
        self.services.conversations.save(self.person, Place(place.version + 1, body), seen=place.version)

    @property
    def person(self) -> bytes:
        return self.services.seal.pseudonym(PHONE.e164)


@pytest.fixture
def peer(services: Services) -> Peer:
    return Peer(services)


@pytest.mark.parametrize(
    "write",
    [
        lambda said: said,
        lambda _: "I am driving and will call you back.",
        lambda _: "MENU",
        lambda _: "1",
        lambda said: f"You said: {said[:40]} Is that right?",
    ],
    ids=["an echo", "an automatic answer", "a word that is understood", "a number", "a parrot"],
)
def test_two_programs_that_answer_each_other_come_to_an_end(peer: Peer, write: Callable[[str], str]) -> None:
    said = peer.answers(write)
    assert said[-1] == peer.last
    assert len(said) <= (2 * MOST_IDLE if write("x") in ("1", "MENU") else MOST_IDLE)
    assert peer.sent() == len(said)


def test_after_the_last_word_nothing_is_heard_until_the_window_has_passed(peer: Peer) -> None:
    peer.answers(lambda said: said)
    before, heard = peer.sent(), peer.place().frames
    assert peer.text("BUY") == "" == peer.text("MENU")
    assert peer.sent() == before and [frame.flow for frame in peer.place().frames] == [frame.flow for frame in heard]
    assert peer.people.value("SELECT count(*) FROM inbox") > before, "it is filed all the same"
    peer.later(WINDOW_SECONDS)
    assert "What kind" in peer.text("BUY")


def test_a_stop_is_obeyed_also_when_nothing_is_answered(peer: Peer) -> None:
    peer.answers(lambda said: said)
    assert peer.text("Stop!") == ""
    assert peer.people.value("SELECT count(*) FROM opt_out WHERE address = :phone", phone=PHONE.e164) == 1


def test_who_buys_one_thing_after_the_other_is_never_cut_off(peer: Peer) -> None:
    with peer.people.database.begin() as db:
        members.join(db, PHONE, name="Amina", language="en", pin_hash=None)
    for _ in range(3):
        for words in ("BUY", "1", "1", "1", "1"):
            shown = peer.text(words)
        assert peer.text(shown.split("Reply ")[1][:4]).startswith("Done."), shown


def test_there_is_a_last_answer_whatever_is_said(peer: Peer) -> None:
    conversation, now = Conversation(), 1_000.0
    for count in range(MOST - 1):
        assert not loop_guard.full(conversation, now)
        assert loop_guard.may_say(conversation, f"answer {count}", idle=False, now=now)
    assert loop_guard.full(conversation, now)
    assert not loop_guard.full(conversation, now + WINDOW_SECONDS)


def test_the_tenth_idle_answer_is_not_given_and_what_is_long_ago_does_not_count() -> None:
    conversation = Conversation()
    assert all(
        loop_guard.may_say(conversation, "What?", idle=True, now=1_000 + count) for count in range(MOST_IDLE - 1)
    )
    assert loop_guard.may_say(conversation, "Something new.", idle=False, now=1_010)
    assert not loop_guard.may_say(conversation, "Something new.", idle=False, now=1_010), "it repeats itself"
    assert loop_guard.may_say(conversation, "What?", idle=True, now=1_000 + WINDOW_SECONDS + 5)


@pytest.mark.parametrize(
    ("text", "purpose"),
    [
        *(
            (word, "all")
            for word in [
                "STOP",
                "StopAll",
                "unsubscribe",
                "Cancel",
                "END",
                "quit",
                "Revoke",
                "optout",
                "opt-out",
                "acha",
                "SITISHA",
            ]
        ),
        *(
            (text, "all")
            for text in ("STOP!", ' "stop". ', "\u017ftop", "\uff33\uff34\uff2f\uff30", "Stop all", "*STOP*")
        ),
        ("Stop gifts", "gift"),
        ("acha zawadi", "gift"),
        ("STOP REMINDERS", "reminder"),
        *((text, None) for text in ("", "stop please", "don't stop", "STOP 1", "stopp", "S T O P", "\u03a3TOP", "1")),
    ],
)
def test_words_that_stop_texts_stand_alone(text: str, purpose: Purpose | None) -> None:
    assert declines(text) == purpose


def test_words_that_want_texts_again_stand_alone() -> None:
    assert wants_again("start") and wants_again(" UNSTOP. ")
    assert not any(map(wants_again, ("YES", "START 1", "restart", "START OVER", "")))


def test_what_the_provider_obeyed_by_itself_is_noted_without_a_word(peer: Peer) -> None:
    def hears(text: str, wish: str) -> Reply:
        return take_turn(peer.services, Inbound("twilio", "sms", uuid4().hex, PHONE, text, wish=wish))  # type: ignore[arg-type]

    assert hears("STOP", "stop").text == "" == hears("", "stop").text
    assert hears("YES", "start").text == "", "Twilio says so itself"
    assert peer.people.value("SELECT count(*) FROM opt_out") == 0
    assert "Welcome" in hears("YES", "start").text, "where nothing was stopped it is a word like others"
    assert hears("", "start").text == "", "but where the provider answers everything of that kind"
    assert peer.sent() == 1
