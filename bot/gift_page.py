"""The page of a gift: who gives what, the card and the sounds, how to answer, and after that the barcode.

Looking changes nothing, since machines follow every link in a mail. The buttons are there for a gift that came by e-mail:
refusing it, and naming the phone on which it will be held. Accepting is always done by that phone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hmac import compare_digest

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot import gift_page_words as says
from bot import parsing
from bot.catalogue import Catalogue
from bot.messages import Unavailable
from bot.parsing import NotUnderstood
from bot.turn import NOTHING_DONE
from circulation import contents, emailed, links, media
from circulation.emailed import MOST_NAMED, Seen
from circulation.media import Media
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules
from circulation.values import Value
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Button:
    """A form with one button. `do` says what it asks for; `asks` is the label of a number to be typed, `phone` one typed."""

    do: str
    label: str
    token: str
    asks: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What a gift's page shows, in its language. Pictures and sounds are (file name, title).

    `alert` is why the last answer was not taken; `done`: something was done, so the page is to be opened anew.
    """

    language: str
    title: str
    lines: tuple[str, ...]
    card: str = ""
    pictures: tuple[tuple[str, str], ...] = ()
    sounds: tuple[tuple[str, str], ...] = ()
    no_sound: str = ""
    barcodes: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = field(default=())
    alert: str = ""
    done: bool = False


class GiftPages:
    """The pages of all gifts. Every method takes a token from an address and raises Unavailable when nothing can be read."""

    def __init__(self, database: Database, rules: Rules, catalogue: Catalogue) -> None:
        self._database = database
        self._rules = rules
        self._catalogue = catalogue

    @property
    def languages(self) -> list[str]:
        """The languages a page can be in."""
        return self._catalogue.languages

    def fetched(self, token: str) -> Media | None:
        """What a picture's or sound's token stands for; None for every token that cannot be fetched (now)."""
        name = links.open_token(self._rules.link_key, token)
        if name is None:
            return None
        with self._at_hand() as db:
            return media.fetched(db, self._rules, self._catalogue.say, name)

    def part(self, token: str, file: str) -> Media | None:
        """What a page shows under this file name; None as for `fetched`."""
        name = links.open_token(self._rules.link_key, token)
        if name is None:
            return None
        with self._at_hand() as db:
            return media.of_page(db, self._rules, self._catalogue.say, name, file)

    def show(self, token: str, language: str | None) -> Page | None:
        """The page, in this language or else the giver's; None for a token of no page."""
        return self._with(token, language, lambda view: view.page())

    def answer(self, token: str, language: str | None, form: Mapping[str, str]) -> Page | None:
        """What follows a button: the next question, or the page after what was asked for was done."""
        return self._with(token, language, lambda view: view.answered(form))

    def no_more(self, token: str, language: str | None) -> Page | None:
        """Asks whether no more gifts shall go to the address of this gift."""
        return self._with(token, language, lambda view: view.no_more())

    def wish(self, token: str, language: str | None, *, again: bool) -> Page | None:
        """Notes that no more gifts shall go there, or that they shall `again`."""
        return self._with(token, language, lambda view: view.wished(again=again))

    def _with(self, token: str, language: str | None, use: Callable[["_View"], Page | None]) -> Page | None:
        name = links.open_token(self._rules.link_key, token)
        if name is None:
            return None
        with self._at_hand() as db:
            seen = emailed.seen(db, name)
            return use(_View(db, self._rules, self._catalogue, name, seen, language)) if seen else None

    @contextmanager
    def _at_hand(self) -> Iterator[Connection]:
        try:
            with self._database.begin() as db:
                yield db
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable(NOTHING_DONE) from error


class _View:
    """One gift's page for one request."""

    def __init__(
        self, db: Connection, rules: Rules, catalogue: Catalogue, name: str, seen: Seen, language: str | None
    ) -> None:
        self._db = db
        self._rules = rules
        self._catalogue = catalogue
        self._name = name
        self._seen = seen
        self._language = language or seen.language

    def page(self, alert: str = "") -> Page:
        """The whole page, as the gift stands."""
        seen = self._seen
        if seen.state not in ("offered", "accepted"):
            return self._bare(self._say(says.ENDS[seen.state]), alert=alert)
        pictures, sounds = media.on_page(contents.packed(self._db, seen.gift_id))
        sheets = len(media.held(self._db, seen.gift_id))
        lines = [self._say(says.GIVES), *([self._say(says.NOTE)] if seen.note else []), *self._how(sheets)]
        return Page(
            language=self._language,
            title=self._say(says.TITLE),
            lines=tuple(lines),
            card=links.FILES["card"],
            pictures=tuple(pictures),
            sounds=tuple((file, self._say(says.LISTEN, name=title)) for file, title in sounds),
            no_sound=self._say(says.NOT_PLAYED) if sounds else "",
            barcodes=tuple(media.barcode_file(place) for place in range(sheets)),
            buttons=tuple(self._buttons()),
            alert=alert,
        )

    def answered(self, form: Mapping[str, str]) -> Page:
        """What follows a button."""
        if not self._answerable() or not compare_digest(form.get("token", "").encode(), self._token().encode()):
            return self.page(self._say(says.CHANGED))
        try:
            match form.get("do", ""):
                case "accept":
                    return self._asking()
                case "phone":
                    phone = self._read(form)
                    check = self._say(says.CHECK_PHONE, phone=phone)
                    send = self._button("hand", says.SEND_TEXT, phone=phone.e164)
                    return self._bare(check, buttons=(send, self._button("accept", says.TYPE_AGAIN)))
                case "hand":
                    phone = self._read(form)
                    with self._db.begin_nested():
                        emailed.hand_to(self._db, self._rules, gift_id=self._seen.gift_id, msisdn=phone)
                    return self._done()
                case "refuse":
                    buttons = (self._button("refused", says.REFUSE), self._button("", says.GO_BACK))
                    return self._bare(self._say(says.SURE), buttons=buttons)
                case "refused":
                    with self._db.begin_nested():
                        emailed.decline(self._db, self._rules, gift_id=self._seen.gift_id)
                    return self._done()
        except NotUnderstood as slip:
            return self._asking(self._catalogue.say(self._language, slip.sentence, slip.holes))
        except Refusal as refusal:
            return self._refused(refusal)
        return self.page()

    def no_more(self) -> Page | None:
        """About the address, not about the gift: it can be said whatever became of that."""
        email = self._seen.email
        if email is None:
            return None
        return self._bare(self._say(says.NO_MORE, address=str(email)), buttons=(self._button("", says.SEND_NO_MORE),))

    def wished(self, *, again: bool) -> Page | None:
        """What was noted, and the way to change one's mind."""
        email = self._seen.email
        if email is None:
            return None
        if again:
            emailed.more_again(self._db, email)
            return self._bare(self._say(says.MORE_AGAIN, address=str(email)))
        emailed.no_more(self._db, self._rules, email)
        back = self._button("again", says.SEND_AGAIN)
        return self._bare(self._say(says.NO_MORE_DONE, address=str(email)), buttons=(back,))

    def _how(self, sheets: int) -> list[str]:
        """How to answer, or what became of it."""
        seen = self._seen
        if seen.state == "accepted":
            return [self._say(says.ACCEPTED), *([self._say(says.SHOW_BARCODE)] if sheets else [])]
        if seen.email is None:
            return [self._say(says.BY_TEXT)]
        if seen.phone is None:
            return [self._say(says.BY_BUTTON)]
        return [self._say(says.TEXT_SENT, digits=seen.phone.e164[-3:])]

    def _buttons(self) -> Iterator[Button]:
        if not self._answerable():
            return
        if self._seen.phone is None:
            yield self._button("accept", says.ACCEPT)
        elif self._seen.times_named < MOST_NAMED:
            yield self._button("accept", says.OTHER_PHONE)
        yield self._button("refuse", says.REFUSE)

    def _answerable(self) -> bool:
        return self._seen.state == "offered" and self._seen.email is not None

    def _asking(self, alert: str = "") -> Page:
        button = replace(self._button("phone", says.NEXT), asks=self._say(says.ASK_PHONE))
        buttons = (button, self._button("", says.GO_BACK))
        return self._bare(self._say(says.ONLY_THAT_PHONE), buttons=buttons, alert=alert)

    def _refused(self, refusal: Refusal) -> Page:
        why = self._catalogue.say(self._language, refusal.sentence, refusal.holes)
        if refusal.code.startswith("gift_"):
            return self._bare(why)
        return self._asking(why)

    def _read(self, form: Mapping[str, str]) -> Msisdn:
        return parsing.msisdn(form.get("phone", ""), self._rules.country, self._rules.countries)

    def _done(self) -> Page:
        return replace(self._bare(""), done=True)

    def _bare(self, line: str, *, buttons: tuple[Button, ...] = (), alert: str = "") -> Page:
        """A page of one question or one answer: of the gift only what it is."""
        return Page(self._language, self._say(says.TITLE), (self._say(says.GIVES), line), buttons=buttons, alert=alert)

    def _button(self, do: str, label: str, phone: str = "") -> Button:
        return Button(do, self._say(label), self._token(), phone=phone)

    def _token(self) -> str:
        return links.form_token(self._rules.link_key, self._name, f"{self._seen.state} {self._seen.times_named}")

    def _say(self, sentence: str, **more: Value) -> str:
        seen = self._seen
        told: dict[str, Value] = {
            "giver": seen.giver,
            "issuer": seen.issuer,
            "amount": seen.amount,
            "note": seen.note,
            "until": seen.until,
            "service_code": self._rules.service_code,
        }
        return self._catalogue.say(self._language, sentence, told | more)
