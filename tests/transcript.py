"""Golden conversations: plain text that is played against the whole product and must come out the same.

A transcript is a small play. What people and networks do is input; what phones show is output:

    Amina has +254712000001                        who plays; add "by Africa's Talking" for that carrier of texts
    Amina is a member with PIN 7193 and holds Soko Bora KES 200, Kitabu KES 500      what went before, if it matters
    Amina dials                                    the service code
    < Welcome to Giftline: ...                     a line of the screen she now sees
    > 1                                            she answers, by whichever way she spoke last
    Amina hangs up
    Amina loses the network                        her dialog is over, and nobody tells the product
    Amina texts: BUY                               a text; its answer follows as `<` lines
    Baraka gets:                                   a text nobody asked for in this moment
    < Amina gives you Soko Bora KES 200. ...
    Amina calls                                    our number, from her own phone; or: Amina calls from +254733000009
    > 0#                                           the keys she presses; where several are heard, the hash ends them
    Amina presses nothing                          until the time is over
    Baraka is called about it                      what he was told last is told by a call, too
    Baraka's phone rings                           a call of ours
    Baraka answers                                 or: Baraka's machine answers, Baraka is busy, Baraka does not answer
    * 8 days pass                                  also minutes, hours, seconds
    * the network repeats that                     the last request once more, byte for byte
    * the network missed the end                   the dialog that ended goes on in the same session
    * Redis is emptied
    Every way to pay is on offer                   the fake rails ask and answer as well
    Amina is asked by mpesa: Do you want to pay... what a rail asks on her phone
    Amina says pay                                 or decline, no_funds, wrong_pin: her answer to it
    Amina pays on the page                         opens the newest link she was sent, and pays by card
    Amina transfers KES 510 for {reference1}       and the bank's statement of it is imported
    * the provider calls back                      what was to be called back is, twice and in the wrong order
    The network knows whose phone is Baraka's      so that it can be asked
    Gifts can be packed                            with a few cards, sounds and characters
    Every form of message is carried               pictures and calls as well as texts
    Baraka's network says delivered                or a provider's error code: what became of the last message to him
    The next message to Baraka is refused: 21614   a provider does not even take it
    Otieno scans the picture on Baraka's phone     the newest barcode he was sent: `{bearer1}` from now on
    E-mail is carried                              as well as texts
    carol@example.org gets:                        a mail: its words, and what is in it
    carol@example.org opens the page               the newest one she was sent
    carol@example.org clicks Next with 0712...     or only: clicks Refuse
    carol@example.org wants no more                the page that a mail names for that
    # words for the reader, also the empty lines

The player takes the input lines alone, writes down everything that every phone shows, and compares the whole: nothing
is sent that a reader does not see. What chance makes gets a name by kind and order (`{ref1}`, `{serial2}`, `{code1}`,
and `{agree1}` for the number that signs by SMS): the same value has the same name to the end, and input may use it.
The story begins on 1 March at 10:00 in Nairobi, so that times stand as they are.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import requests
import zxingcpp
from PIL import Image
from sqlalchemy import text

from bot import fitting
from bot.app import build_worker
from bot.charging import Charging
from bot.chores import Chores
from bot.lint_texts import MOST_SEGMENTS, MOST_SEGMENTS_UCS2
from bot.places import opened
from bot.rescue import Rescue
from bot.services import Services
from bot.showing import BY_NUMBER
from bot.subscribers import NameChecks
from bot.worker import Worker
from circulation import bank, books, catalogue, members, sales
from circulation.msisdn import Msisdn
from circulation.references import ALPHABET
from payments import bank_statement
from payments.fakes.people import Answer
from payments.fakes.server import FakeRails
from phones.caller import Call, Ending, Told
from phones.handset import Dialog, Handset, Network, NetworkFault, NoDialog, Screen
from storage.conversations import DIALLING
from storage.roles import Role
from tests import packing
from tests.fakes.mail import FakeMailServer
from tests.fakes.providers import FakeProviders, twilio_error
from tests.fakes.subscribers import FakeSubscribers
from tests.mailbox import Mailboxes
from tests.people import past_every_right

FOLDER = Path(__file__).parent / "transcripts"
BEGINS = datetime(2027, 3, 1, 7, 0, tzinfo=UTC)
DIALOG_ENDS = "(the dialog ends)"
CALL_ENDS = "(the call ends)"
NO_ANSWER = "(no answer)"
EVERY_WAY = "Every way to pay is on offer"
EVERY_FORM = "Every form of message is carried"
EMAIL = "E-mail is carried"
NAMES_ARE_KNOWN = "The network knows whose phone is "
OUTPUT = re.compile(
    rf"<( |$)|[^>*#].* gets:$|[^>*#]\w+ is asked by .*|{re.escape(DIALOG_ENDS)}|{re.escape(NO_ANSWER)}"
    rf"|{re.escape(CALL_ENDS)}|\w+'s phone rings"
)
PRICE = text("""
    SELECT d.id FROM denomination d JOIN issuer i ON i.id = d.issuer_id WHERE i.name = :issuer AND d.amount_minor = :worth
""")
CALL_TOO = text("""
    INSERT INTO outbox (provider, address, language, sentence, holes, form, gift_id)
    SELECT provider, address, language, sentence, holes, 'voice', gift_id FROM outbox
    WHERE address = :address ORDER BY id DESC LIMIT 1
""")
MEDIA = {"image/jpeg": "(a picture)", "audio/mpeg": "(a sound)", "image/png": "(a barcode)"}
LATER = text("UPDATE outbox SET due_at = due_at - CAST(:passed AS interval) WHERE state = 'queued'")
MOST_PARTS = max(MOST_SEGMENTS, MOST_SEGMENTS_UCS2)
SPELLED = re.compile(r"\b(?:[A-Z0-9] )+[A-Z0-9](?:, (?:[A-Z0-9] )*[A-Z0-9]\b)+")
NAMED = re.compile(r"\{([a-z]+[0-9]+)\}")


class BadTranscript(Exception):
    """A line that cannot be played, with what was played before it."""


@dataclass
class Names:
    """Names for what chance makes, by kind and order of appearance."""

    patterns: dict[str, re.Pattern[str]]
    values: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, services: Services) -> "Names":
        """Every kind there is; the number that signs is found by the sentence around it, in every language."""
        catalogue = services.catalogue
        said = [catalogue.translation(language, BY_NUMBER) for language in catalogue.languages]
        asks = [re.escape(sentence).replace(r"\{agreement\}", "([0-9]{4})") for sentence in said if sentence]
        return cls(
            {
                "serial": re.compile(r"\b([A-Z]{2,4}[0-9]{10})\b"),
                "code": re.compile(r"\b([0-9]{4} [0-9]{4} [0-9]{4})\b"),
                "rf": re.compile(r"\b(RF[0-9]{2} [A-Z0-9]{4} [A-Z0-9]{4})\b"),
                "page": re.compile(r"/[gm]/([A-Za-z0-9_-]{40})(?![A-Za-z0-9_-])"),
                "base": re.compile(r"\b(http://127\.0\.0\.1:[0-9]+)\b"),
                "netcode": re.compile(r"(?<=KES is )([0-9]{6})\b"),
                "group": re.compile(r"(?i:group number|group gift|group) ([1-9][0-9]{5})\b"),
                "ref": re.compile(rf"\b([{ALPHABET}]{{8}})\b"),
                **{f"agree{place}": re.compile(ask) for place, ask in enumerate(asks)},
            }
        )

    def hide(self, text: str) -> str:
        """`text` with names in the place of values."""
        for kind, pattern in self.patterns.items():
            text = pattern.sub(partial(self._hidden, kind.rstrip("0123456789")), text)
        return text

    def hide_said(self, text: str) -> str:
        """`text` as it was said aloud, with names in the place of values that were spelled."""
        return self.hide(SPELLED.sub(self._unspelled, text))

    def _unspelled(self, found: re.Match[str]) -> str:
        """A code, serial or reference as it is written; what is none of them stays as it was said."""
        signs = re.sub("[ ,]", "", found[0])
        written = " ".join(re.findall("....", signs)) if re.fullmatch("[0-9]{12}", signs) else signs
        kinds = (self.patterns[kind] for kind in ("serial", "code", "ref"))
        return written if any(pattern.fullmatch(written) for pattern in kinds) else found[0]

    def fill(self, text: str) -> str:
        """`text` with values in the place of names. Raises KeyError for a name that nothing bears yet."""
        return NAMED.sub(lambda name: self.values[name[1]], text)

    def _hidden(self, kind: str, found: re.Match[str]) -> str:
        return found[0].replace(found[1], f"{{{self.name(kind, found[1])}}}")

    def name(self, kind: str, value: str) -> str:
        for name, known in self.values.items():
            # two agreements may be the same number by chance, and are two all the same
            if known == value and name.startswith(kind) and kind != "agree":
                return name
        name = f"{kind}{1 + sum(known.startswith(kind) for known in self.values)}"
        self.values[name] = value
        return name


class Player:
    """Plays transcripts against one running product."""

    def __init__(
        self,
        services: Services,
        base: str,
        providers: FakeProviders,
        rails: FakeRails | None = None,
        network: FakeSubscribers | None = None,
        mail: FakeMailServer | None = None,
    ) -> None:
        self._services = services
        self._network = Network(services.settings, base)
        self._providers = providers
        self._rails = rails
        self._subscribers = network
        self._mailboxes = Mailboxes(mail) if mail else None
        self._name_checks = NameChecks(services.database.as_role(Role.WORKER), network.lookup()) if network else None
        self._charging = Charging(services.database.as_role(Role.WORKER), services.talk.rules)
        self._seen_of_rails: set[str] = set()
        at_work = services.database.as_role(Role.WORKER, connections=services.settings.web_threads)
        self._worker: Worker = build_worker(services.settings, replace(services, database=at_work))
        self._rescue = Rescue(services)
        self._chores = Chores(
            services.database.as_role(Role.WORKER),
            services.talk.rules,
            conversation_seconds=services.settings.conversation_seconds,
        )
        self._names = Names.of(services)
        self._cast: dict[str, Handset] = {}
        self._speaker = ""
        self._texting = False
        self._calling = False
        self._calls: dict[str, Call] = {}
        self._called = 0
        self._last_dialog: Dialog | None = None
        self._read = 0
        self._output: list[str] = []
        self._ahead = BEGINS - datetime.now(UTC)
        self._set_clock()

    def play(self, transcript: str) -> str:
        """The transcript as the product plays it. Raises BadTranscript."""
        for number, line in enumerate(transcript.splitlines(), 1):
            if OUTPUT.match(line):
                continue
            self._output.append(line)
            try:
                self._do(line)
            except (BadTranscript, KeyError, NetworkFault, NoDialog) as error:
                reason = f"nothing is called {error} yet" if isinstance(error, KeyError) else str(error)
                raise BadTranscript("\n".join([*self._output[-12:], f"^ line {number}: {reason}"])) from None
        return "\n".join(self._output) + "\n"

    def books_in_order(self) -> bool:
        """Whether every invariant of the books holds."""
        with self._services.database.as_role(Role.AUDITOR).begin() as db:
            return books.read(db).in_order

    # What is done -----------------------------------------------------------------------------------------------------
    def _do(self, line: str) -> None:
        if not line.strip() or line.startswith("#"):
            return
        for pattern, act in self._acts():
            if found := re.fullmatch(pattern, line):
                act(*found.groups())
                return
        raise BadTranscript(f"not understood: {line}")

    def _acts(self) -> Iterator[tuple[str, Callable[..., object]]]:
        yield r"(\w+) has (\+[0-9]+)( by Africa's Talking)?", self._enter
        yield r"(\w+) is a member(?: with PIN ([0-9]+))?(?: and holds (.+))?", self._set_up
        yield r"(\w+) dials", self._dial
        yield r"(\w+) texts: (.*)", self._text
        yield r"> ?(.*)", self._answer
        yield r"(\w+) hangs up", self._hang_up
        yield r"(\w+) loses the network", self._lose
        yield r"(\w+) calls(?: from (\+[0-9]+))?", self._ring
        yield r"(\w+) presses nothing", lambda name: self._hear(self._calls[name].wait())
        yield r"(\w+) is called about it", self._have_called
        yield r"(\w+)( answers|'s machine answers| is busy| does not answer)", self._pick_up
        yield r"\* ([0-9]+) (second|minute|hour|day)s? pass(?:es)?", self._wait
        yield r"\* the network repeats that", self._repeat
        yield r"\* the network missed the end", self._missed_the_end
        yield r"\* Redis is emptied", self._services.redis.flushdb
        yield rf"{NAMES_ARE_KNOWN}(\w+)'s", self._know
        yield r"(\w+) scans the picture on (\w+)'s phone", self._scan
        yield "Gifts can be packed", self._stock_contents
        yield EVERY_FORM, self._deliver
        yield r"(\w+)'s network says (delivered|[0-9]+)", self._report
        yield r"The next message to (\w+) is refused: ([0-9]+)", self._refuse_next
        if (mailboxes := self._mailboxes) is not None:
            yield EMAIL, self._deliver
            yield r"(\S+@\S+) opens the page", lambda reader: self._reads(mailboxes.opens(reader))
            yield r"(\S+@\S+) wants no more", lambda reader: self._reads(mailboxes.no_more(reader))
            yield r"(\S+@\S+) clicks (.+?)(?: with (.+))?", lambda *click: self._reads(mailboxes.clicks(*click))
        if self._rails is not None:
            yield EVERY_WAY, self._deliver
            yield r"(\w+) says (pay|decline|no_funds|wrong_pin)", self._say
            yield r"(\w+) pays on the page", self._pay_on_the_page
            yield r"(\w+) transfers KES ([0-9]+) for (.*)", self._transfer
            yield r"\* the provider calls back", self._call_back

    # Paying -----------------------------------------------------------------------------------------------------------
    def _say(self, name: str, answer: Answer) -> None:
        """The newest question on this phone is answered."""
        assert self._rails is not None
        asking = next(fake for fake in (self._rails.mpesa, self._rails.momo) if fake.prompts(self._cast[name].msisdn))
        asking.answer(asking.prompts(self._cast[name].msisdn)[-1].id, answer)
        self._deliver()

    def _pay_on_the_page(self, name: str) -> None:
        texts = [taken.text for taken in self._providers.texts if taken.to == self._cast[name].msisdn]
        link = next(found[0] for body in reversed(texts) if (found := re.search(r"https?://\S+", body)))
        page = requests.get(link.rstrip(",."), timeout=10)
        requests.post(page.url, data={"answer": "pay"}, timeout=10)
        self._deliver()

    def _transfer(self, name: str, units: str, remittance: str) -> None:
        assert self._rails is not None
        self._rails.bank.transfer(self._cast[name].msisdn, self._names.fill(remittance), int(units) * 100, "KES")
        statement = bank_statement.read("day.xml", self._rails.bank.statement())
        with self._services.database.as_role(Role.CONSOLE).begin() as db:
            bank.import_statement(db, self._services.talk.rules, statement)
        self._deliver()

    def _call_back(self) -> None:
        assert self._rails is not None
        for call in [*reversed(self._rails.calls.waiting), *self._rails.calls.waiting]:
            self._rails.calls.make(call)
        self._deliver()

    def _ask_on_phones(self) -> None:
        """The rails are asked, and what they ask in turn is shown on the phones."""
        assert self._rails is not None
        while self._charging():
            pass
        for name, handset in self._cast.items():
            for fake in (self._rails.mpesa, self._rails.momo):
                for prompt in fake.prompts(handset.msisdn):
                    if prompt.id not in self._seen_of_rails:
                        self._seen_of_rails.add(prompt.id)
                        asked = re.sub(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", "...", prompt.sentence)
                        self._output.append(f"{name} is asked by {prompt.rail}: {self._names.hide(asked)}")
            for code in self._rails.carrier.codes(handset.msisdn):
                if code not in self._seen_of_rails:
                    self._seen_of_rails.add(code)
                    self._output += [f"{name} gets:", f"< {self._names.hide(code)}"]

    def _stock_contents(self) -> None:
        database = self._services.database.as_role(Role.CONSOLE)
        packing.stock(database)
        database.close()

    def _know(self, name: str) -> None:
        assert self._subscribers is not None
        self._subscribers.known[self._cast[name].msisdn] = name

    def _enter(self, name: str, msisdn: str, by_africastalking: str | None) -> None:
        self._cast[name] = self._network.handset(msisdn, "africastalking" if by_africastalking else "twilio")

    def _set_up(self, name: str, pin: str | None, holds: str | None) -> None:
        rules, phone = self._services.talk.rules, Msisdn(self._cast[name].msisdn)
        pin_hash = rules.pins.hash(pin) if pin else None
        with self._services.database.begin() as db:
            member = members.join(db, phone, name=name, language="en", pin_hash=pin_hash)
            for certificate in holds.split(", ") if holds else []:
                issuer, worth = re.fullmatch(r"(.+) KES ([0-9]+)", certificate).groups()  # type: ignore[union-attr]
                price = db.execute(PRICE, {"issuer": issuer, "worth": int(worth) * 100}).scalar_one()
                sales.buy(
                    db,
                    rules,
                    purchase_id=str(uuid4()),
                    buyer=member,
                    denomination_id=price,
                    sheets=1,
                    expected=sales.cost(catalogue.denomination(db, price), 1),  # type: ignore[arg-type]
                    receipt=False,
                )

    def _dial(self, name: str) -> None:
        self._speaker, self._texting, self._calling = name, False, False
        self._show(self._cast[name].dial())

    def _answer(self, typed: str) -> None:
        if self._texting:
            self._text(self._speaker, typed)
        elif self._calling:
            self._hear(self._calls[self._speaker].press(self._names.fill(typed)))
        elif self._cast[self._speaker].dialog is None:
            raise BadTranscript(f"{self._speaker} has no dialog open")
        else:
            self._last_dialog = self._cast[self._speaker].dialog
            self._show(self._cast[self._speaker].answer(self._names.fill(typed)))

    def _text(self, name: str, typed: str) -> None:
        self._speaker, self._texting, self._calling = name, True, False
        self._cast[name].text(self._names.fill(typed))
        self._deliver(answers=name)

    def _lose(self, name: str) -> None:
        self._cast[name].dialog = None

    def _hang_up(self, name: str) -> None:
        if self._calling:
            self._put_down(name)
        else:
            self._cast[name].hang_up()
        self._deliver()

    def _repeat(self) -> None:
        if self._calling:
            self._hear(self._calls[self._speaker].repeat())
            return
        screen = self._cast[self._speaker].repeat()
        if screen:
            self._show(screen)
        else:
            self._deliver(answers=self._speaker)

    def _missed_the_end(self) -> None:
        self._cast[self._speaker].dialog = self._last_dialog

    def _wait(self, count: str, unit: str) -> None:
        passed = timedelta(**{f"{unit}s": int(count)})
        self._ahead += passed
        self._set_clock()
        self._age_places(passed.total_seconds())
        for person, at in self._services.redis.zscan_iter(DIALLING):
            self._services.redis.zadd(DIALLING, {person: at - passed.total_seconds()})
        for key in self._services.redis.scan_iter("*:*"):
            self._services.redis.pexpire(
                key, max(self._services.redis.pttl(key) - int(passed.total_seconds() * 1000), 0)
            )
        self._rescue.offer()
        with past_every_right(self._services.database) as db:
            db.execute(LATER, {"passed": passed})
        self._chores.send_gifts()
        self._chores.lapse_gifts()
        self._chores.call_recipients()
        while self._chores.end_group_gifts():
            pass
        self._chores.end_certificates()
        self._chores.remind()
        self._chores.expire_codes()
        self._chores.purge_inbox()
        self._deliver()

    def _age_places(self, seconds: float) -> None:
        """What a place remembers by this machine's clock is so much longer ago."""
        services = self._services
        for handset in self._cast.values():
            person = services.seal.pseudonym(handset.msisdn)
            place = services.conversations.load(person)
            conversation = opened(services, place)
            conversation.shown_at -= seconds
            conversation.silent_until -= seconds
            conversation.said = [(int(at - seconds), said, idle) for at, said, idle in conversation.said]
            if place.body:
                body = services.seal.seal(conversation.to_bytes())
                services.redis.hset(f"conversation:{person.hex()}", "b", body)

    def _set_clock(self) -> None:
        self._services.database.clock_offset = f"{self._ahead.total_seconds()} seconds"

    # Delivery ---------------------------------------------------------------------------------------------------------
    def _report(self, name: str, what: str) -> None:
        """Twilio's status callback about the last message to a phone."""
        taken = next(one for one in reversed(self._providers.texts) if one.to == self._cast[name].msisdn)
        ended = (
            {"MessageStatus": "delivered"}
            if what == "delivered"
            else {"MessageStatus": "undelivered", "ErrorCode": what}
        )
        fields = {
            "MessageSid": taken.provider_id,
            "To": taken.to,
            "AccountSid": self._services.settings.twilio_account_sid,
        }
        self._network.post(self._network.twilio(path_of(taken.form["StatusCallback"]), {**fields, **ended}))
        self._deliver()

    def _refuse_next(self, name: str, code: str) -> None:
        self._providers.will_refuse(self._cast[name].msisdn, twilio_error(int(code)))

    def _scan(self, _till: str, name: str) -> None:
        """A till's scanner reads the newest barcode that was sent to a phone; what it read has a name from now on."""
        sent = [
            taken.form.get("MediaUrl", "") for taken in self._providers.texts if taken.to == self._cast[name].msisdn
        ]
        things = [requests.get(address, timeout=10) for media in sent for address in media.split("\0") if address]
        barcodes = [thing.content for thing in things if MEDIA[thing.headers["Content-Type"]] == "(a barcode)"]
        (read,) = zxingcpp.read_barcodes(Image.open(BytesIO(barcodes[-1])))
        self._names.name("bearer", read.text)

    def _fetched(self, media: str) -> Iterator[str]:
        """What came with a message, fetched as its carrier does."""
        for address in media.split("\0"):
            thing = requests.get(address, timeout=10)
            assert thing.status_code == 200, f"{address} cannot be fetched"
            yield MEDIA[thing.headers["Content-Type"]]

    # Calls ------------------------------------------------------------------------------------------------------------
    def _ring(self, name: str, phone: str | None) -> None:
        self._speaker, self._texting, self._calling = name, False, True
        self._calls[name] = Call(self._network, phone or self._cast[name].msisdn)
        self._hear(self._calls[name].dial())

    def _have_called(self, name: str) -> None:
        with past_every_right(self._services.database) as db:
            db.execute(CALL_TOO, {"address": self._cast[name].msisdn})
        self._deliver()

    def _pick_up(self, name: str, how: str) -> None:
        call, asked = self._calls[name], self._providers.calls[-1].form
        ending: Ending | None = {" is busy": "busy", " does not answer": "no-answer"}.get(how)  # type: ignore[assignment]
        if ending:
            call.hang_up(path_of(asked["StatusCallback"]), ending, seconds=0)
            self._deliver()
            return
        self._speaker, self._texting, self._calling = name, False, True
        call.answered_by = "human" if how == " answers" else "machine_start"
        self._hear(call.dial(asked["Url"]))

    def _put_down(self, name: str) -> None:
        call = self._calls[name]
        asked = self._providers.calls[-1].form["StatusCallback"] if call.ours else ""
        call.hang_up(path_of(asked) if asked else "/voice/twilio/status")

    def _hear(self, told: Told) -> None:
        assert not re.search(r"\{[a-z_]+\}", told.text), f"a hole was left open: {told.text}"
        if told.text:
            self._output += [f"< {line}".rstrip() for line in self._names.hide_said(told.text).split("\n")]
        if not told.open:
            self._output.append(CALL_ENDS)
            self._put_down(self._speaker)
        self._deliver()

    def _ring_phones(self) -> None:
        """The calls that were asked for ring; who is no player's phone lets it ring."""
        for taken in self._providers.calls[self._called :]:
            self._called += 1
            for name in (name for name, handset in self._cast.items() if handset.msisdn == taken.to):
                self._output.append(f"{name}'s phone rings")
                self._calls[name] = Call(self._network, taken.to, ours=True, sid=taken.sid)

    # What is seen -----------------------------------------------------------------------------------------------------
    def _show(self, screen: Screen) -> None:
        assert fitting.USSD.holds(screen.text), f"a screen too long for a phone: {screen.text}"
        self._write(screen.text)
        if not screen.more:
            self._output.append(DIALOG_ENDS)
        self._deliver()

    def _deliver(self, answers: str = "") -> None:
        """Let the worker send all there is; the speaker reads first, then the others in the order they entered."""
        if self._name_checks is not None:
            self._name_checks()
        if self._rails is not None:
            self._ask_on_phones()
        while self._worker.run_once() or self._chores.follow_up():
            pass
        self._ring_phones()
        arrived = self._providers.texts[self._read :]
        self._read += len(arrived)
        owners = {handset.msisdn: name for name, handset in self._cast.items()}
        order = [answers, *self._cast]
        for taken in sorted(
            arrived, key=lambda taken: order.index(owners[taken.to]) if taken.to in owners else len(order)
        ):
            name = owners.get(taken.to, taken.to)
            if name != answers:
                self._output.append(f"{name} gets:")
            self._write(taken.text)
            if media := taken.form.get("MediaUrl"):
                self._output += [f"< {thing}" for thing in self._fetched(media)]
            if name == answers:
                answers = "(answered)"
        for to, lines in self._mailboxes.arrived() if self._mailboxes else []:
            self._output.append(f"{to} gets:")
            self._output += [f"< {self._names.hide(line)}" for line in lines]
        if answers in self._cast:
            self._output.append(NO_ANSWER)

    def _reads(self, lines: list[str]) -> None:
        self._output += [f"< {self._names.hide(line)}" for line in lines]
        self._deliver()

    def _write(self, text: str) -> None:
        assert not re.search(r"\{[a-z_]+\}", text), f"a hole was left open: {text}"
        assert fitting.segments(text) <= MOST_PARTS, f"a text in too many parts: {text}"
        self._output += [f"< {line}".rstrip() for line in self._names.hide(text).split("\n")]


def path_of(address: str) -> str:
    """The path and the query of an address of ours."""
    split = urlsplit(address)
    return f"{split.path}?{split.query}"
