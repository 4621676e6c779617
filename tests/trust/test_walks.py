"""Random walks: people who answer anything, hang up, come back and repeat, while Redis, time and the network misbehave.

After every single step the books are in order and nobody has read the sentence for faults. The seed is the test's name.
"""

import random
import re
from collections.abc import Callable

import pytest
import redis as redis_client
from structlog.testing import capture_logs

from bot.chores import Chores
from bot.services import Services
from phones.handset import Carrier, Handset
from storage.roles import Role
from tests.trust.line import AMINA, BARAKA, CHEBET, CLERK, OPTION, PIN, Line, join_and_buy

SEEDS = range(12)
STEPS = 120
AGREE = re.compile(r"Reply ([0-9]{4}) to agree")
SIDEWAYS = re.compile("Back|Rudi|More|Zaidi|How it works|Lugha|Not now|Menu|Bought|Gifts|Used|Later")
CODE = re.compile(r"[0-9]{4} [0-9]{4} [0-9]{4}")
CUSTOMERS = (AMINA, BARAKA, CHEBET, "+254712000004")
NOISE = (
    "", "0", "00", "98", "1*2", "hello", "ſtop", "MENU", "BACK", "-1", "99", "0712000002", "😀" * 90, "x" * 400,
    "CHECK", "USE 1 2", "GIFT", "BUY", "LANG", "PENDING", "٣", "7193", "1111", "#", "*", "a*b", "\x00", "BASKET 7", "RECALL",
    "NAME",
)  # fmt: skip

SENSIBLE: dict[str, tuple[str, ...]] = {
    "PIN to agree": (PIN, PIN, PIN, PIN, "0", "1111"),
    "PIN": (PIN,),
    "phone number": (*CUSTOMERS, *CUSTOMERS, "0712 000 009", "+1 555 0100"),
    "1 to ": ("1", "1", "2", "10"),
    "name?": ("Amina", "Baraka"),
    "short message": ("Happy birthday", "0"),
    "Which day?": ("24 12", "1 Jan", "31 2", "today"),
    "most it may pay": ("0", "0", "100"),
    "How much": ("50", "120.50", "9999"),
}
"""What a screen with these words in it is answered with."""


class Walker:
    """One person with one phone: reads the last screen and mostly answers it sensibly."""

    def __init__(self, line: Line, msisdn: str, carrier: Carrier, dice: random.Random) -> None:
        self.line = line
        self.dice = dice
        self.phone: Handset = line.handset(msisdn, carrier)
        self.screen = ""
        self.by_text = ""

    def dial(self) -> None:
        self.screen = self.phone.dial().text

    def answer(self) -> None:
        if self.phone.dialog is None:
            self.dial()
        else:
            self.screen = self.phone.answer(self._choose(self.screen)).text

    def text(self) -> None:
        self.by_text = self.line.say(self.phone, self._choose(self.by_text).replace("\x00", "") or "MENU")

    def hang_up(self) -> None:
        self.phone.hang_up()

    def repeat(self) -> None:
        if self.screen or self.by_text:
            self.phone.repeat()

    def _choose(self, screen: str) -> str:
        """Mostly something that the screen asks for."""
        if self.dice.random() < 0.06:
            return self.dice.choice(NOISE)
        for asked, sensible in SENSIBLE.items():
            if asked in screen:
                return self.dice.choice(sensible)
        if options := OPTION.findall(screen):
            weights = [1 if SIDEWAYS.search(label) else 8 for _, label in options]
            return str(self.dice.choices([number for number, _ in options], weights)[0])
        if agreement := AGREE.search(screen):
            return agreement[1]
        if "12-digit" in screen:
            return self._some_code()
        if self.phone.msisdn == CLERK:
            return self.dice.choice(["CHECK {}", "USE {} 50", "USE {} 50", "USE {} 500"]).format(self._some_code())
        return self.dice.choice(["BUY", "GIFT", "PAY", "PAY", "BASKET", "MENU", "1"])

    def _some_code(self) -> str:
        """The newest code that anybody was sent."""
        texts = [words for phone in CUSTOMERS for _, words in self.line.texts(phone)]
        codes = [found for words in texts for found in CODE.findall(words)]
        return codes[-1] if codes else "1234 5678 9012"


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_people_and_machines_do_the_books_stay_in_order(
    seed: int, services: Services, redis: redis_client.Redis
) -> None:
    dice = random.Random(seed)
    line = Line(services)
    carriers: tuple[Carrier, ...] = ("twilio", "africastalking")
    services.database.clock_offset = "0 days"
    for customer in CUSTOMERS[:2]:
        join_and_buy(line.handset(customer), sheets=2)
    people = [Walker(line, msisdn, dice.choice(carriers), dice) for msisdn in (*CUSTOMERS, CLERK)]
    chores = Chores(
        services.database.as_role(Role.WORKER),
        services.talk.rules,
        conversation_seconds=services.settings.conversation_seconds,
    )
    days = 0
    walked: list[str] = []
    person = people[0]
    for _ in range(STEPS):
        if dice.random() < 0.2:  # mostly one person for a while; then, if a code was shown, often the clerk
            person = people[-1] if CODE.search(person.screen + person.by_text) else dice.choice(people)
        steps: dict[Callable[[], object], int] = {
            person.answer: 60,
            person.text: 30,
            person.dial: 5,
            person.hang_up: 3,
            person.repeat: 8,
            redis.flushdb: 2,
            chores.send_gifts: 2,
            chores.lapse_gifts: 2,
            chores.expire_codes: 2,
            chores.forget_places: 1,
        }
        step = dice.choices([*steps], [*steps.values()])[0]
        if dice.random() < 0.02:
            days += dice.choice([1, 8])
            services.database.clock_offset = f"{days} days"
        walked.append(f"{person.phone.msisdn[-1]} {step.__name__}: {person.screen!r} {person.by_text!r}")
        with capture_logs() as logs:
            step()
        faults = [entry for entry in logs if entry["event"] == "turn.fault"]
        assert not faults, f"seed {seed}, after {walked[-3:]}: {faults}"
        line.assert_books_in_order()
