"""kill -9 at every boundary of buy, gift, accept and use, by USSD and by SMS: nothing is lost, nothing happens twice.

Each conversation is led by a phone to its last message. Then the product dies at a boundary: before a COMMIT, after it,
after the place was saved in Redis. A new process starts, and either the network repeats the message byte for byte, or
the person comes back and goes on from what they see, or comes back and has changed their mind. Which boundaries there
are is not written here: a rehearsal without a death tells, and each one it passed is died at.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from bot.app import build_services
from bot.config import Settings
from bot.embedded import Servers
from circulation import notices
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.values import Value, unpack
from phones.handset import Handset, Network, NetworkFault, Screen
from tests.conftest import copied
from tests.fakes.providers import FakeProviders
from tests.people import People
from tests.trust.mortal import Mortals

PIN = "7193"
FACE = 50_000
PAID = Money(35_000, "KES")
NOTHING = "(nothing more is asked)"


def pick(screen: str, label: str) -> str:
    """The number in front of a line of a menu."""
    found = re.search(rf"^(\d+)\. .*{re.escape(label)}", screen, re.MULTILINE)
    assert found, f"{label!r} is not on this screen: {screen}"
    return found[1]


@dataclass
class Phone:
    """A phone and everything its owner read since it was told to `listen`."""

    people: People
    handset: Handset
    member: Member | None = None
    read: list[str] = field(default_factory=list)
    texts_before: int = 0

    @property
    def msisdn(self) -> Msisdn:
        return Msisdn(self.handset.msisdn)

    def dial(self) -> str:
        return self._shown(self.handset.dial())

    def answer(self, text: str) -> str:
        return self._shown(self.handset.answer(text))

    def choose(self, screen: str, *labels: str) -> str:
        """Answer each screen with the line that has the label."""
        for label in labels:
            screen = self.answer(pick(screen, label))
        return screen

    def text(self, body: str) -> str:
        """Send a text; the last text that came back."""
        self.handset.text(body)
        return self.texts()[-1]

    def repeat(self) -> None:
        """The network sends the last message again, byte for byte."""
        screen = self.handset.repeat()
        if screen is not None:
            self._shown(screen)

    def texts(self) -> list[str]:
        """The texts filed for this phone, in their own language."""
        say = self.people.services.catalogue.say
        return [say(t.language, t.sentence, unpack(t.holes)) for t in self.people.texts(self.msisdn)]

    def listen(self) -> None:
        self.read.clear()
        self.texts_before = len(self.texts())

    def heard(self) -> str:
        """All that the person read since: the screens, and the texts."""
        return "\n".join([*self.read, *self.texts()[self.texts_before :]])

    def _shown(self, screen: Screen) -> str:
        self.read.append(screen.text)
        return screen.text


@dataclass
class Story:
    """One conversation, one message before its end."""

    phone: Phone
    last: str
    again: Callable[[Phone, str], str]
    """How the person comes back with the last message in mind; what they then see."""
    asked: str
    """What the screen says that waits for the last message; NOTHING: coming back, they say it all themselves."""
    happened: str
    """The query for the references of what happened (:msisdn is whose phone it is)."""
    settled: Callable[[], bool]
    """Whether value is where it belongs after it happened."""

    def references(self) -> list[str]:
        return [row[0] for row in self.phone.people.rows(self.happened, msisdn=self.phone.handset.msisdn)]


def dialled(phone: Phone, last: str) -> str:
    """They dial again: a network drops a dialog that got no answer."""
    phone.handset.dialog = None
    return phone.dial()


def texted(phone: Phone, last: str) -> str:
    """They send the same words in a text of its own."""
    return phone.text(last)


BOUGHT = "SELECT p.reference FROM purchase p JOIN member m ON m.id = p.buyer_id WHERE m.msisdn = :msisdn"
GIVEN = "SELECT g.reference FROM gift g JOIN member m ON m.id = g.giver_id WHERE m.msisdn = :msisdn"
ACCEPTED = """
    SELECT 'Giftline KES 500' FROM gift g JOIN member m ON m.id = g.recipient_id
    WHERE m.msisdn = :msisdn AND g.state = 'accepted'"""
USED = "SELECT r.reference FROM redemption r JOIN clerk c ON c.id = r.clerk_id WHERE c.msisdn = :msisdn"


class Stage:
    """Where stories are set up: the product running, the people, their phones."""

    def __init__(self, people: People, settings: Settings, mortals: Mortals) -> None:
        self.people, self.mortals = people, mortals
        self.network = Network(settings)
        self.pin_hash = people.rules.pins.hash(PIN)

    def live(self) -> None:
        """A fresh process of the web application answers from now on."""
        self.network.base = self.mortals.serve()

    def phone(self, msisdn: Msisdn, member: Member | None = None) -> Phone:
        return Phone(self.people, self.network.handset(msisdn.e164), member)

    def customer(self) -> Phone:
        member = self.people.member(pin_hash=self.pin_hash)
        return self.phone(member.msisdn, member)

    def buy_by_ussd(self) -> Story:
        phone = self.customer()
        screen = phone.choose(phone.dial(), "Buy", "Any store", "Giftline", "KES 500")
        assert "How many" in screen
        assert "Enter your PIN" in phone.answer("1")
        return self._buying(phone, PIN, dialled, "Enter your PIN")

    def buy_by_sms(self) -> Story:
        phone = self.customer()
        screen = phone.text("BUY")
        for label in ("Any store", "Giftline", "KES 500"):
            screen = phone.text(pick(screen, label))
        return self._buying(phone, agreement(phone.text("1")), texted, "to agree")

    def _buying(self, phone: Phone, last: str, again: Callable[[Phone, str], str], asked: str) -> Story:
        def settled() -> bool:
            charged = "SELECT coalesce(sum(amount_minor), 0)::int FROM charge WHERE payer_id = :id"
            held = "SELECT id FROM certificate WHERE holder_id = :id"
            assert phone.member is not None
            (certificate,) = self.people.rows(held, id=phone.member.id)
            return (
                self.people.value(charged, id=phone.member.id) == 51_000
                and self.people.owed("2100", certificate.id) == FACE
            )

        return Story(phone, last, again, asked, BOUGHT, settled)

    def gift_by_ussd(self) -> Story:
        phone, certificate, recipient = self._holder()
        phone.choose(phone.dial(), "Give", "Giftline")
        phone.answer(recipient.e164)
        phone.answer("Happy birthday!")
        assert "Enter your PIN" in phone.answer("1")
        return self._giving(phone, certificate, recipient, PIN, dialled, "Enter your PIN")

    def gift_by_sms(self) -> Story:
        phone, certificate, recipient = self._holder()
        phone.text(pick(phone.text("GIFT"), "Giftline"))
        phone.text(recipient.e164)
        phone.text("Happy birthday!")
        last = agreement(phone.text("1"))
        return self._giving(phone, certificate, recipient, last, texted, "to agree")

    def _holder(self) -> tuple[Phone, int, Msisdn]:
        phone = self.customer()
        assert phone.member is not None
        return phone, self.people.certificate(phone.member, amount_minor=FACE), self.people.number()

    def _giving(self, phone: Phone, certificate: int, recipient: Msisdn, last: str, again: Any, asked: str) -> Story:
        def settled() -> bool:
            query = "SELECT s.gift_id::text FROM gift_sheet s WHERE s.certificate_id = :certificate"
            gift = self.people.value(query, certificate=certificate)
            told = [notice.holes["giver"] for notice in self.people.texts(recipient)]
            return (
                told == ["Amina"]
                and self.people.owed("2110", gift) == FACE
                and not self.people.owed("2100", certificate)
            )

        return Story(phone, last, again, asked, GIVEN, settled)

    def accept_by_ussd(self) -> Story:
        phone, settled = self._offered()

        def again(phone: Phone, last: str) -> str:
            screen = dialled(phone, last)
            return screen if "1. Accept" in screen else phone.choose(screen, "My certificates")

        return Story(phone, pick(phone.dial(), "Accept"), again, "1. Accept", ACCEPTED, settled)

    def accept_by_sms(self) -> Story:
        phone, settled = self._offered()
        return Story(phone, "1", texted, NOTHING, ACCEPTED, settled)

    def _offered(self) -> tuple[Phone, Callable[[], bool]]:
        giver, certificate, recipient = self._holder()
        assert giver.member is not None
        self.people.gift(giver.member, certificate, recipient, "Happy birthday!")
        phone = self.phone(recipient)

        def settled() -> bool:
            holder = "SELECT m.msisdn FROM certificate c JOIN member m ON m.id = c.holder_id WHERE c.id = :id"
            told = [notice for notice in giver.texts() if "accepted your gift" in notice]
            return (
                len(told) == 1
                and self.people.value(holder, id=certificate) == recipient.e164
                and self.people.owed("2100", certificate) == FACE
            )

        return phone, settled

    def use_by_ussd(self) -> Story:
        phone, code, settled = self._till()
        assert "12-digit code" in phone.choose(phone.dial(), "Till", "Take a payment")
        assert "How much" in phone.answer(code)

        def again(phone: Phone, last: str) -> str:
            screen = dialled(phone, last)
            if "Take a payment" not in screen:
                screen = phone.choose(screen, "Till")
            phone.choose(screen, "Take a payment")
            phone.answer(code)
            return phone.answer(last)

        return Story(phone, "350", again, NOTHING, USED, settled)

    def use_by_sms(self) -> Story:
        phone, code, settled = self._till()
        return Story(phone, f"USE {code} 350", texted, NOTHING, USED, settled)

    def _till(self) -> tuple[Phone, str, Callable[[], bool]]:
        holder, certificate, _ = self._holder()
        assert holder.member is not None
        clerk = self.people.clerk()
        code = self.people.code(holder.member, certificate)
        msisdn = Msisdn(self.people.value("SELECT msisdn FROM clerk WHERE id = :id", id=clerk.id))

        def settled() -> bool:
            told = [notice for notice in holder.texts() if "paid at" in notice]
            earned = PAID.amount_minor - PAID.amount_minor * 300 // 10_000
            return (
                len(told) == 1
                and self.people.owed("2100", certificate) == FACE - PAID.amount_minor
                and self.people.owed("2200", clerk.store_id) == earned
            )

        return self.phone(msisdn), code, settled


def agreement(text: str) -> str:
    """The number that stands for the PIN by SMS."""
    found = re.search(r"Reply (\d+) to agree", text)
    assert found, text
    return found[1]


@pytest.fixture(scope="module")
def settings(servers: Servers, template: str) -> Iterator[Settings]:
    """The settings of the processes that die. The stories share one database: everybody in them is new."""
    with copied(servers, template) as url:
        yield Settings(
            giftline_mode="development",
            database_url=url,
            redis_url=servers.redis_url,
            payment_rails="phone_bill",
            subscriber_api_base="",
        )


@pytest.fixture(scope="module")
def stage(settings: Settings) -> Iterator[Stage]:
    services = build_services(settings)
    with Mortals(settings) as mortals:
        yield Stage(People(services), settings, mortals)
    services.database.close()
    services.redis.close()


def say_last(story: Story) -> None:
    """The last message, by the channel of the story."""
    if story.phone.handset.dialog:
        story.phone.answer(story.last)
    else:
        story.phone.text(story.last)


def rehearse(stage: Stage, tell: Callable[[], Story]) -> list[str]:
    """The whole story without a death: it ends well, and these are the boundaries of its last message."""
    stage.live()
    story = tell()
    story.phone.listen()
    stage.mortals.arm(0)
    say_last(story)
    passed = stage.mortals.passed()
    assert passed[-2:] == ["after commit", "place saved"], "the effect is committed before the place is saved"
    (reference,) = story.references()
    assert reference in story.phone.heard()
    assert story.settled()
    return passed


def deaths(stage: Stage, tell: Callable[[], Story]) -> Iterator[tuple[str, Story]]:
    """The story told once for each boundary, with a death there, and a fresh process running after it."""
    for number, boundary in enumerate(rehearse(stage, tell), 1):
        story = tell()
        story.phone.listen()
        stage.mortals.arm(number)
        with pytest.raises(NetworkFault, match="did not answer"):
            say_last(story)
        assert stage.mortals.died()
        stage.live()
        yield f"{boundary} (the {number}th boundary)", story


def happened_once(story: Story, where: str) -> None:
    references = story.references()
    assert len(references) == 1, f"{where}: it happened {len(references)} times"
    assert story.settled(), f"{where}: value is not where it belongs"
    assert references[0] in story.phone.heard(), f"{where}: the person was not told: {story.phone.heard()}"


STORIES = [
    Stage.buy_by_ussd,
    Stage.buy_by_sms,
    Stage.gift_by_ussd,
    Stage.gift_by_sms,
    Stage.accept_by_ussd,
    Stage.accept_by_sms,
    Stage.use_by_ussd,
    Stage.use_by_sms,
]
every_story = pytest.mark.parametrize("tell", STORIES, ids=lambda tell: tell.__name__)


@every_story
def test_a_message_repeated_after_a_crash_is_done_once_and_answered(stage: Stage, tell: Any) -> None:
    for where, story in deaths(stage, lambda: tell(stage)):
        story.phone.repeat()
        happened_once(story, where)
        story.phone.repeat()
        happened_once(story, f"{where}, repeated once more")
    assert stage.people.books_in_order()


@every_story
def test_a_person_who_comes_back_after_a_crash_is_asked_again_only_if_nothing_happened(stage: Stage, tell: Any) -> None:
    for where, story in deaths(stage, lambda: tell(stage)):
        done = bool(story.references())
        screen = story.again(story.phone, story.last)
        asked = story.asked in screen
        assert not (asked and done), f"{where}: it was done, and is asked again: {screen}"
        if asked:
            story.phone.answer(story.last)
        happened_once(story, where)
    assert stage.people.books_in_order()


@pytest.mark.parametrize("tell", STORIES[:4], ids=lambda tell: tell.__name__)
def test_a_person_who_comes_back_to_stop_is_told_nothing_happened_only_if_nothing_did(stage: Stage, tell: Any) -> None:
    for where, story in deaths(stage, lambda: tell(stage)):
        before = story.references()
        phone = story.phone
        if story.again is texted:
            phone.text("0")
        elif story.asked in dialled(phone, story.last):
            phone.answer("0")
        assert ("Nothing was" in phone.heard()) == (not before), f"{where}: {phone.heard()}"
        assert story.references() == before, where
    assert stage.people.books_in_order()


# The worker ------------------------------------------------------------------------------------------------------------
RECEIPT = "Receipt"
RETURNED = "It is back with you"


class PostOffice:
    """A gift that nobody answered in time, and a receipt: two texts of one phone for a worker to send."""

    def __init__(self, people: People, mortals: Mortals, providers: FakeProviders) -> None:
        self.people, self.mortals, self.providers = people, mortals, providers

    def fill(self) -> tuple[Member, int]:
        """The gift's time is over and the receipt waits, and nothing else does. The giver, the certificate."""
        people = self.people
        giver = people.member()
        certificate = people.certificate(giver, amount_minor=FACE)
        people.gift(giver, certificate, people.number())
        with people.database.begin() as db:
            db.execute(text("DELETE FROM outbox"))
            db.execute(text("UPDATE gift SET lapses_at = now() WHERE giver_id = :id"), {"id": giver.id})
            notices.send(db, giver, people.rules.routes, notices.GIFT_USED, **self._receipt(giver))
        return giver, certificate

    def _receipt(self, giver: Member) -> dict[str, Value]:
        amount = Money(100, "KES")
        return {"recipient": giver.msisdn, "amount": amount, "issuer": RECEIPT, "reference": "ABCD2345"}

    def taken(self, giver: Member) -> list[str]:
        """The texts that the provider took for the giver, named in short, in order."""
        texts = self.providers.to(giver.msisdn.e164)
        return [RECEIPT if RECEIPT in said else RETURNED for said in texts if RECEIPT in said or RETURNED in said]

    def pass_a_minute(self) -> None:
        """The lease of a worker that is no more is over."""
        with self.people.database.begin() as db:
            db.execute(text("UPDATE outbox SET due_at = due_at - interval '61 seconds' WHERE state = 'claimed'"))


@pytest.fixture
def post_office(database_url: str, servers: Servers) -> Iterator[PostOffice]:
    with FakeProviders() as providers:
        settings = Settings(
            giftline_mode="development",
            database_url=database_url,
            redis_url=servers.redis_url,
            twilio_api_base=providers.url,
        )
        services = build_services(settings)
        with Mortals(settings) as mortals:
            yield PostOffice(People(services), mortals, providers)
        services.database.close()
        services.redis.close()


def test_a_killed_worker_loses_no_text_and_sends_none_twice(post_office: PostOffice) -> None:
    giver, _ = post_office.fill()
    passed = post_office.mortals.work()
    assert passed is not None
    assert post_office.taken(giver) == [RECEIPT, RETURNED]
    assert passed.count("taken by the provider") == 2, "it also dies with texts handed over and not marked"
    for number, boundary in enumerate(passed, 1):
        giver, certificate = post_office.fill()
        assert post_office.mortals.work(die_at=number) is None
        post_office.pass_a_minute()
        assert post_office.mortals.work() is not None
        where = f"{boundary} (the {number}th boundary): {post_office.taken(giver)}"
        assert sorted(post_office.taken(giver)) == sorted([RECEIPT, RETURNED]), where
        assert post_office.people.owed("2100", certificate) == FACE, where
        states = "SELECT count(*) FROM outbox WHERE address = :msisdn AND state <> 'sent'"
        assert post_office.people.value(states, msisdn=giver.msisdn.e164) == 0, where
    assert post_office.people.books_in_order()
    lapses = "SELECT count(*) = count(DISTINCT operation_id) FROM journal_entry WHERE kind = 'gift lapsed'"
    assert post_office.people.value(lapses)
