"""The line for tests of trust: phones that speak to the application through its real doors, and every answer checked.

`Line` is the providers' side (see phones/handset.py) joined to the application itself rather than to a port, so that
thousands of messages pass in seconds. What every answer owes, whatever was sent, is asserted here once.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask import Flask
from sqlalchemy import text

from bot import fitting
from bot.app import create_app
from bot.services import Services
from bot.turn import FAULT
from circulation import books
from circulation.values import unpack
from phones.handset import Form, Handset, Network, NetworkFault, Screen
from tests.people import past_every_right

PIN = "7193"
AMINA, BARAKA, CHEBET = "+254712000001", "+254712000002", "+254712000003"
CLERK = "+254700000101"
"""A till phone of the demo data, at a store that takes Giftline and Soko Bora."""

AGREE = re.compile(r"\b([0-9]{4})\b")
OPTION = re.compile(r"^([0-9]{1,2})\. (.*)", re.MULTILINE)
"""A numbered line of a screen: what to type, and what it says."""

_TEXTS = text("SELECT id, language, sentence, holes FROM outbox WHERE address = :msisdn AND id > :after ORDER BY id")
_VALUE = text("""
    SELECT coalesce(sum(p.amount_minor), 0), count(*), (SELECT count(*) FROM gift), (SELECT count(*) FROM redemption),
           (SELECT count(*) FROM redemption_code)
    FROM posting p
""")
_CONSERVED = text("""
    SELECT (SELECT coalesce(sum(amount_minor), 0) FROM charge) - (SELECT coalesce(sum(fee_minor), 0) FROM purchase)
         - (SELECT coalesce(sum(amount_minor), 0) FROM balance)
         - (SELECT coalesce(sum(captured_minor - returned_minor), 0) FROM redemption)
""")


class Line(Network):
    """The network, speaking to `app` of `services`. Every answer is a 200 with what a phone can show, or the test fails."""

    def __init__(self, services: Services, app: Flask | None = None) -> None:
        super().__init__(services.settings)
        self.services = services
        self.app = app or create_app(services.settings, services)

    def post(self, form: Form) -> str:
        """The product's answer, checked: never a refusal, never a fault, and for USSD a screen that fits one page."""
        status, answer = self.raw(form)
        if status != 200:
            raise NetworkFault(f"the product answered {status}", status)
        if form.path.startswith("/ussd/") and not form.path.endswith("/end"):
            screen = Screen.read(answer)
            assert screen.text.strip(), "an empty screen"
            assert screen.text != FAULT, "the product met a fault"
            assert fitting.USSD.holds(screen.text), f"a screen of {fitting.units(screen.text)} units: {screen.text!r}"
        elif form.path == "/sms/twilio":
            assert answer == "<Response/>"
        return answer

    def raw(self, form: Form) -> tuple[int, str]:
        """Status and body of the answer to a form, whatever they are."""
        response = self.app.test_client().post(form.path, data=form.fields, headers=dict(form.headers))
        return response.status_code, response.get_data(as_text=True)

    def ussd(self, msisdn: str, session: str, transcript: str) -> Form:
        """One hop as Africa's Talking posts it, its whole transcript in the test's hands."""
        fields = {"sessionId": session, "phoneNumber": msisdn, "networkCode": "99999", "text": transcript}
        return self.africastalking("ussd", fields | {"serviceCode": self.settings.service_code})

    def hop(self, msisdn: str, session: str, transcript: str) -> str:
        """The text of the screen that answers it."""
        return Screen.read(self.post(self.ussd(msisdn, session, transcript))).text

    # What people hold in their hands -----------------------------------------------------------------------------------
    def texts(self, msisdn: str, after: int = 0) -> list[tuple[int, str]]:
        """(outbox id, words) of every text filed for a phone after the outbox row `after`."""
        with past_every_right(self.services.database) as db:
            rows = db.execute(_TEXTS, {"msisdn": msisdn, "after": after}).all()
        say = self.services.catalogue.say
        return [(row.id, say(row.language, row.sentence, unpack(row.holes))) for row in rows]

    def say(self, handset: Handset, words: str) -> str:
        """Text `words` and read the answer: exactly one text comes back to the phone at once, or it is a fault."""
        before = max((id_ for id_, _ in self.texts(handset.msisdn)), default=0)
        handset.text(words)
        answers = self.texts(handset.msisdn, before)
        assert answers, f"no answer to {words!r}"
        reply = answers[-1][1]  # notices to oneself are filed before the answer
        assert reply.strip(), "an empty text"
        assert reply != FAULT, "the product met a fault"
        assert fitting.SMS.holds(reply), f"a text of {fitting.units(reply)} units: {reply!r}"
        return reply

    # What must never change by itself ---------------------------------------------------------------------------------
    def value(self) -> tuple[Any, ...]:
        """A picture of everything of value: it differs as soon as anything moved."""
        with past_every_right(self.services.database) as db:
            return tuple(db.execute(_VALUE).one())

    def assert_books_in_order(self) -> None:
        """Every proof holds, and what was charged is what people hold, waits, was spent or was our fee."""
        with past_every_right(self.services.database) as db:
            wrong = {proof.name: proof.figure for proof in books.read(db).proofs if proof.figure}
            missing = int(db.execute(_CONSERVED).scalar_one())
        assert not wrong
        assert missing == 0, f"{missing} minor units are not accounted for"


def answers(handset: Handset, *typed: str) -> Screen:
    """Dial, answer each screen in turn, and return the last one."""
    screen = handset.dial()
    for words in typed:
        screen = handset.answer(words)
    return screen


def join_and_buy(handset: Handset, name: str = "Amina", *, sheets: int = 1) -> Screen:
    """By dialling: become a member inside the first purchase, and buy sheets of Giftline KES 500."""
    return answers(handset, "1", "1", "1", "2", str(sheets), "1", name, "1", PIN, PIN, PIN)


def fields(form: Form, **changed: str) -> Mapping[str, str]:
    """A form's fields with some changed."""
    return {**form.fields, **changed}
