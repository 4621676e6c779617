"""Gifts on their way, for tests: who can be reached in which form, and what becomes of each notice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from circulation import gifting, ladder
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.routes import Routes
from circulation.rules import Rules
from tests.people import People

EVERYTHING = "sms,mms,voice + twilio; email * smtp"


@dataclass(frozen=True)
class Notice:
    """A notice of a gift, as it lies in the outbox."""

    id: int
    gift_id: str
    form: str
    address: str
    sentence: str
    holes: dict[str, Any]
    enclosed: list[str]
    state: str


class Reaching:
    """A giver, somebody whom a gift is for, and the routes between them."""

    def __init__(self, people: People, routes: str = EVERYTHING) -> None:
        self.people = people
        self.rules: Rules = replace(people.rules, routes=Routes.parse(routes, texts_by="twilio"))
        self.giver: Member = people.member("Amina")
        self.recipient: Msisdn = people.number()

    def piece(self) -> int:
        """Something to pack: a card in the catalogue."""
        made = "INSERT INTO content (key, kind, title) VALUES (:key, 'card', 'Happy birthday') RETURNING id"
        return int(self.people.value(made, key=uuid4().hex))

    def gift(self, *packed: int, note: str = "") -> str:
        """A gift to the recipient, offered now; its id."""
        gift_id = str(uuid4())
        with self.people.database.begin() as db:
            gifting.give(
                db,
                self.rules,
                gift_id=gift_id,
                giver=self.giver,
                certificates=[self.people.certificate(self.giver)],
                recipient=self.recipient,
                note=note,
                receipt=False,
                packed=packed,
            )
        return gift_id

    def notices(self, gift_id: str) -> list[Notice]:
        """What was filed to tell of a gift, oldest first."""
        query = """
            SELECT id, gift_id::text, form, address, sentence, holes, enclosed, state FROM outbox
            WHERE gift_id = :gift ORDER BY id"""
        return [Notice(*row) for row in self.people.rows(query, gift=gift_id)]

    def forms(self, gift_id: str) -> list[str]:
        return [notice.form for notice in self.notices(gift_id)]

    def ends(self, gift_id: str, state: str, code: str = "") -> Notice:
        """The newest notice of a gift comes to this end."""
        newest = self.notices(gift_id)[-1]
        self.people.run(
            "UPDATE outbox SET state = :state, error_code = :code, sent_at = clock(), ended_at = clock() WHERE id = :id",
            state=state,
            code=code,
            id=newest.id,
        )
        return newest

    def fails(self, gift_id: str, code: str, action: str = "other") -> Notice:
        """The newest notice of a gift does not arrive, and what then is to be done is done."""
        newest = self.ends(gift_id, "undelivered", code)
        self.descend(newest, action)
        return newest

    def descend(self, notice: Notice, action: str = "other") -> None:
        with self.people.database.begin() as db:
            ladder.descend(db, self.rules, notice, action)

    def told(self) -> Sequence[str]:
        """What the giver was told, in English and with holes."""
        return [text.sentence for text in self.people.texts(self.giver.msisdn)]
