"""Group gifts: parts that add up, one pool, and an end in which everybody has the gift or their money."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from bot.chores import Chores
from circulation import gifting, group_parts, group_records, groups, notices, receipts, sales
from circulation.group_records import Group, Shares
from circulation.groups import Joined
from circulation.members import Member
from circulation.money import Money
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.rules import Rules
from payments.bank_transfer import BankTransfer
from storage.database import Database
from tests.people import BUSINESS, People

PRICE = 51_000
"""KES 500 of Giftline with its fee."""


def kes(minor: int) -> Money:
    return Money(minor, "KES")


@dataclass
class Circle:
    """People who give together, the verbs they use, and the chores that a worker does for them."""

    people: People

    def __post_init__(self) -> None:
        bank = BankTransfer(currency="KES", account_shown="Giftline 0110")
        self.rules: Rules = replace(self.people.rules, rails={"phone_bill": None, "bank": bank})
        self.chores = Chores(self.people.database, self.rules, conversation_seconds=60)
        self.organiser = self.people.member("Amina")
        self.recipient = self.people.number()

    def do(self, verb: Callable[..., Any], *args: Any, database: Database | None = None, **named: Any) -> Any:
        with (database or self.people.database).begin() as db:
            return verb(db, *args, **named)

    def begin(
        self,
        shares: Shares | None = None,
        *,
        group_id: str | None = None,
        recipient: Msisdn | None = None,
        expected: int = PRICE,
        rail: str = "phone_bill",
        note: str = "",
        receipt: bool = False,
    ) -> str:
        group_id = group_id or str(uuid4())
        self.do(
            groups.begin,
            self.rules,
            group_id=group_id,
            organiser=self.organiser,
            denomination_id=self.people.denomination().id,
            expected=kes(expected),
            recipient=recipient or self.recipient,
            note=note,
            shares=shares or group_records.among(kes(PRICE), 3),
            days=7,
            rail=rail,
            receipt=receipt,
        )
        return group_id

    def group(self, group_id: str) -> Group:
        found = self.do(group_records.get, group_id)
        assert isinstance(found, Group)
        return found

    def joining(
        self, group_id: str, giver: Member, rail: str = "phone_bill", **named: Any
    ) -> Callable[[Connection], Joined]:
        expected = named.pop("expected", None) or self.group(group_id).next_part or kes(17_000)
        named = {"part_id": str(uuid4()), "again": False, **named}
        return lambda db: groups.join(
            db, self.rules, giver=giver, group_id=group_id, expected=expected, rail=rail, **named
        )

    def join(self, group_id: str, giver: Member, rail: str = "phone_bill", **named: Any) -> str:
        part_id = named.setdefault("part_id", str(uuid4()))
        self.do(self.joining(group_id, giver, rail, **named))
        return str(part_id)

    def pay(self, part_id: str, amount: int = 17_000, receipt: str | None = None) -> bool:
        name, paid = receipt or uuid4().hex, kes(amount)
        return bool(self.do(receipts.received, self.rules, charge_id=part_id, receipt=name, amount=paid))

    def filled(self, note: str = "") -> str:
        """A group gift of which every part is paid, and not given yet."""
        group_id = self.begin(note=note)
        for name in ("Baraka", "Chebet"):
            self.join(group_id, self.people.member(name))
        return group_id

    def after(self, interval: str) -> Database:
        later = Database(self.people.database.url, role=BUSINESS, connections=2)
        later.clock_offset = interval
        return later

    def a_week_later(self) -> None:
        """Eight days pass, and a worker does what is due."""
        later = self.after("8 days")
        chores = Chores(later, self.rules, conversation_seconds=60)
        while chores.end_group_gifts():
            pass
        later.close()

    def told(self, who: Member | Msisdn) -> list[str]:
        return [one.sentence for one in self.people.texts(who.msisdn if isinstance(who, Member) else who)]

    def parts(self, group_id: str) -> list[tuple[int, int, str]]:
        rows = self.people.rows("SELECT * FROM group_part WHERE group_id = :id ORDER BY place, created_at", id=group_id)
        return [(row.place, row.amount_minor, row.state) for row in rows]


@pytest.fixture
def circle(people: People) -> Circle:
    return Circle(people)


def organisers_part(group_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"giftline:organiser's part:{group_id}"))


def refund_of(part_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"giftline:group part:{part_id}"))


# Shares ---------------------------------------------------------------------------------------------------------------
@given(st.integers(1, 10**10), st.integers(2, 20), st.sampled_from(["KES", "JPY", "KWD"]))
def test_parts_add_up_to_the_price_exactly(total: int, givers: int, currency: str) -> None:
    try:
        shares = group_records.among(Money(total, currency), givers)
    except Refusal:
        assert total < givers
        return
    assert shares.part.amount_minor * (shares.parts - 1) + shares.last.amount_minor == total
    assert 0 < shares.part.amount_minor <= shares.last.amount_minor < 2 * shares.part.amount_minor + givers


@given(st.integers(1, 10**8), st.integers(1, 10**8))
def test_a_sum_that_each_pays_adds_up_too(total: int, each: int) -> None:
    try:
        shares = group_records.of(kes(total), kes(each))
    except Refusal as refusal:
        assert refusal.code == "group_shares"
        assert not 2 <= -(-total // each) <= 20
        return
    assert shares.part == kes(each)
    assert shares.part.amount_minor * (shares.parts - 1) + shares.last.amount_minor == total
    assert 0 < shares.last.amount_minor <= each


def test_parts_are_whole_shillings_and_the_last_takes_the_rounding() -> None:
    assert group_records.among(kes(51_000), 7) == Shares(7, kes(7_200), kes(7_800))
    assert group_records.among(kes(2_050), 20) == Shares(20, kes(102), kes(112))
    assert group_records.of(kes(51_000), kes(10_000)) == Shares(6, kes(10_000), kes(1_000))


@pytest.mark.parametrize("givers", [0, 1, 21])
def test_one_alone_and_a_crowd_cannot_share(givers: int) -> None:
    with pytest.raises(Refusal) as refused:
        group_records.among(kes(PRICE), givers)
    assert refused.value.code == "group_shares"


# Beginning and joining ------------------------------------------------------------------------------------------------
def test_who_begins_pays_the_first_part_at_once_and_it_rests_in_the_pool(circle: Circle) -> None:
    group_id = circle.begin(receipt=True)
    part, people = organisers_part(group_id), circle.people
    assert people.postings(f"{part}:billed") == [("1120", "", 17_000), ("2050", "", -17_000)]
    assert people.postings(f"{part}:pooled") == [("2050", "", 17_000), ("2055", group_id, -17_000)]
    group = circle.group(group_id)
    assert (group.paid, group.parts, group.next_place, group.state) == (1, 3, 2, "open")
    assert people.value("SELECT group_part_id::text FROM charge WHERE id = :id", id=part) == part
    (told,) = people.texts(circle.organiser.msisdn)
    assert (told.sentence, told.holes["number"]) == (notices.GROUP_BEGUN, group.number)
    assert circle.told(circle.recipient) == []
    assert people.books_in_order()


def test_the_same_beginning_begins_once(circle: Circle) -> None:
    group_id = circle.begin(receipt=True)
    circle.begin(group_id=group_id, receipt=True)
    assert circle.people.owed("2055", group_id) == 17_000
    assert circle.told(circle.organiser) == [notices.GROUP_BEGUN]


def test_nothing_is_begun_that_cannot_be(circle: Circle) -> None:
    for wrong, code in (
        ({"recipient": circle.organiser.msisdn}, "own_number"),
        ({"expected": PRICE - 1}, "price_changed"),
        ({"rail": "mpesa"}, "no_way_to_pay"),
    ):
        with pytest.raises(Refusal) as refused:
            circle.begin(**wrong)
        assert refused.value.code == code
    broke = replace(circle.rules, phone_bill=type(circle.rules.phone_bill)(1_000))
    circle.rules = broke
    with pytest.raises(Refusal) as refused:
        circle.begin()
    assert refused.value.code == "bill_limit"
    assert circle.people.value("SELECT count(*) FROM group_gift") == 0


def test_a_group_is_found_by_its_number_until_it_ends(circle: Circle) -> None:
    group_id = circle.begin()
    number = circle.group(group_id).number
    asker = circle.people.number()
    assert circle.do(groups.find, circle.rules, number=number, asker=asker).id == group_id
    circle.do(groups.call_off, group_id=group_id, organiser=circle.organiser)
    with pytest.raises(Refusal) as refused:
        circle.do(groups.find, circle.rules, number=number, asker=asker)
    assert refused.value.code == "group_unknown"


def test_who_guesses_numbers_has_to_wait(circle: Circle) -> None:
    asker = circle.people.number()
    codes = []
    for guess in range(12):
        with pytest.raises(Refusal) as refused:
            circle.do(groups.find, circle.rules, number=f"{guess:06}", asker=asker)
        codes.append(refused.value.code)
    assert codes == ["group_unknown"] * 10 + ["locked"] * 2


def test_a_giver_has_one_part_unless_they_want_another(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    part = circle.join(group_id, giver)
    circle.join(group_id, giver, part_id=part)
    assert circle.group(group_id).paid == 2
    for somebody in (giver, circle.organiser):
        with pytest.raises(Refusal) as refused:
            circle.join(group_id, somebody)
        assert refused.value.code == "part_taken"
    circle.join(group_id, giver, again=True)
    assert circle.parts(group_id) == [(1, 17_000, "paid"), (2, 17_000, "paid"), (3, 17_000, "paid")]
    assert circle.told(circle.organiser) == [notices.PART_CAME, notices.PART_CAME]


def test_the_part_that_is_paid_is_the_part_that_was_shown(circle: Circle) -> None:
    group_id = circle.begin(group_records.among(kes(PRICE), 7))
    with pytest.raises(Refusal) as refused:
        circle.join(group_id, circle.people.member(), expected=kes(7_800))
    assert refused.value.code == "part_changed"
    for _ in range(5):
        circle.join(group_id, circle.people.member())
    assert circle.group(group_id).next_part == kes(7_800)


def test_a_part_that_waits_keeps_its_place_and_is_free_again_when_it_is_not_paid(circle: Circle) -> None:
    group_id, giver = circle.begin(group_records.among(kes(PRICE), 2)), circle.people.member()
    part = circle.join(group_id, giver, "bank")
    assert circle.people.owed("2055", group_id) == 25_500
    with pytest.raises(Refusal) as refused:
        circle.join(group_id, circle.people.member())
    assert refused.value.code == "group_full"
    circle.do(receipts.failed, circle.rules, charge_id=part, state="lapsed", reason="expired")
    assert circle.told(giver) == [notices.PART_NOT_PAID]
    assert circle.parts(group_id) == [(1, 25_500, "paid"), (2, 25_500, "free")]
    circle.join(group_id, circle.people.member())
    assert circle.group(group_id).state == "full"


def test_a_waiting_part_is_given_up_with_its_group(circle: Circle) -> None:
    group_id = circle.begin(rail="bank")
    waits = circle.people.value(
        "SELECT extract(epoch FROM deadline_at - created_at) FROM charge WHERE id = :id", id=organisers_part(group_id)
    )
    assert 7 * 86_400 - 60 < waits <= 7 * 86_400


def test_a_part_paid_over_another_rail_is_pooled_and_told(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member("Baraka")
    part = circle.join(group_id, giver, "bank")
    assert circle.pay(part, receipt="B-1")
    assert not circle.pay(part, receipt="B-1")
    payment = circle.people.value("SELECT id::text FROM payment WHERE charge_id = :id", id=part)
    assert circle.people.postings(f"{payment}:received") == [("1010", "bank", 17_000), ("2050", "", -17_000)]
    assert circle.people.postings(f"{part}:pooled") == [("2050", "", 17_000), ("2055", group_id, -17_000)]
    (told,) = circle.people.texts(giver.msisdn)
    assert (told.sentence, told.holes["paid"], told.holes["parts"]) == (notices.PART_PAID, 2, 3)
    (came,) = circle.people.texts(circle.organiser.msisdn)
    assert (came.sentence, came.holes["giver"]) == (notices.PART_CAME, "Baraka")
    assert circle.people.books_in_order()


def test_a_part_paid_late_counts_while_its_place_is_free(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    part = circle.join(group_id, giver, "bank")
    circle.do(receipts.failed, circle.rules, charge_id=part, state="lapsed", reason="expired")
    circle.join(group_id, circle.people.member())
    assert circle.pay(part)
    assert circle.parts(group_id) == [(1, 17_000, "paid"), (2, 17_000, "paid"), (3, 17_000, "paid")]
    assert circle.group(group_id).state == "full"
    assert circle.told(giver) == [notices.PART_NOT_PAID, notices.PART_PAID]
    assert circle.people.books_in_order()


def test_a_part_paid_when_all_places_are_taken_goes_back(circle: Circle) -> None:
    group_id, giver = circle.begin(group_records.among(kes(PRICE), 2)), circle.people.member()
    part = circle.join(group_id, giver, "bank")
    circle.do(receipts.failed, circle.rules, charge_id=part, state="lapsed", reason="expired")
    circle.join(group_id, circle.people.member(), "bank")
    assert circle.pay(part, 25_500)
    assert circle.told(giver)[-1] == notices.RECEIPT_GOES_BACK
    assert circle.people.value("SELECT why FROM refund WHERE charge_id = :id", id=part) == "late"
    assert circle.people.owed("2055", group_id) == 25_500
    assert circle.people.books_in_order()


# The gift -------------------------------------------------------------------------------------------------------------
def test_when_the_last_part_is_in_the_gift_is_offered_for_all_of_them(circle: Circle) -> None:
    group_id = circle.filled(note="Happy birthday!")
    assert circle.group(group_id).state == "full"
    assert circle.told(circle.recipient) == []
    circle.chores.end_group_gifts()
    assert circle.chores.end_group_gifts() == 0
    people = circle.people
    assert people.postings(f"{group_id}:complete") == [("2055", group_id, PRICE), ("2050", "", -PRICE)]
    purchase = people.rows("SELECT * FROM purchase")[0]
    certificate = people.value("SELECT id FROM certificate WHERE purchase_id = :id", id=purchase.id)
    assert (purchase.buyer_id, purchase.rail, purchase.state, purchase.sheets) == (
        circle.organiser.id,
        group_parts.PURCHASE_RAIL,
        "issued",
        1,
    )
    assert people.postings(f"{purchase.id}:issued") == [
        ("2050", "", PRICE),
        ("2100", str(certificate), -50_000),
        ("4010", "", -1_000),
    ]
    gift = people.value("SELECT gift_id::text FROM group_gift WHERE id = :id", id=group_id)
    assert people.postings(f"{gift}:offered") == [("2100", str(certificate), 50_000), ("2110", gift, -50_000)]
    (waits,) = people.texts(circle.recipient)
    assert (waits.sentence, waits.holes["giver"], waits.holes["others"], waits.holes["note"]) == (
        notices.GROUP_GIFT_WAITS,
        "Amina",
        2,
        "Happy birthday!",
    )
    givers = people.rows("SELECT m.msisdn FROM group_part p JOIN member m ON m.id = p.giver_id ORDER BY p.place")
    for (msisdn,) in givers[1:]:
        assert circle.told(Msisdn(msisdn)) == [notices.GROUP_GIVEN]
    assert circle.told(circle.organiser)[-1] == notices.GIFT_SENT
    assert people.owed("2055", group_id) == 0
    assert people.books_in_order()


def test_who_paid_everything_alone_gives_alone(circle: Circle) -> None:
    group_id = circle.begin(group_records.among(kes(PRICE), 2))
    circle.join(group_id, circle.organiser, again=True)
    circle.chores.end_group_gifts()
    assert circle.told(circle.recipient) == [notices.GIFT_WAITS_NO_NOTE]


@pytest.mark.parametrize(
    ("verb", "sentence"), [(gifting.accept, notices.GROUP_ACCEPTED), (gifting.decline, notices.GROUP_CAME_BACK)]
)
def test_every_giver_hears_how_the_gift_was_answered_once(
    circle: Circle, verb: Callable[..., None], sentence: str
) -> None:
    group_id = circle.begin(group_records.among(kes(PRICE), 2))
    giver, recipient = circle.people.member(), circle.people.met(circle.recipient)
    circle.join(group_id, giver)
    circle.chores.end_group_gifts()
    gift = circle.people.value("SELECT gift_id::text FROM group_gift WHERE id = :id", id=group_id)
    circle.do(verb, circle.rules, gift_id=gift, recipient=recipient)
    circle.chores.end_group_gifts()
    assert circle.chores.end_group_gifts() == 0
    assert circle.told(giver) == [notices.GROUP_GIVEN, sentence]
    holder = circle.people.value("SELECT holder_id FROM certificate")
    assert holder == (recipient.id if verb is gifting.accept else circle.organiser.id)
    assert circle.people.books_in_order()


def test_a_gift_nobody_answers_returns_to_the_organiser_and_all_are_told(circle: Circle) -> None:
    group_id = circle.begin(group_records.among(kes(PRICE), 2))
    giver = circle.people.member()
    circle.join(group_id, giver)
    circle.chores.end_group_gifts()
    later = circle.after("9 days")
    chores = Chores(later, circle.rules, conversation_seconds=60)
    chores.lapse_gifts()
    chores.end_group_gifts()
    later.close()
    assert circle.people.value("SELECT holder_id FROM certificate") == circle.organiser.id
    assert circle.told(circle.organiser)[-1] == notices.GIFT_LAPSED
    assert circle.told(giver)[-1] == notices.GROUP_CAME_BACK


# Back again -----------------------------------------------------------------------------------------------------------
def test_an_unmet_group_gives_every_part_back_over_its_rail(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    bank_part = circle.join(group_id, giver, "bank")
    circle.pay(bank_part)
    circle.a_week_later()
    people, bill_part = circle.people, organisers_part(group_id)
    assert circle.group(group_id).state == "unmet"
    for part in (bill_part, bank_part):
        refund = refund_of(part)
        assert people.postings(f"{refund}:owed") == [("2055", group_id, 17_000), ("2300", refund, -17_000)]
        assert people.value("SELECT why FROM refund WHERE id = :id", id=refund) == "group unmet"
    refund = refund_of(bill_part)
    assert people.postings(f"{refund}:paid") == [("2300", refund, 17_000), ("1120", "", -17_000)]
    assert people.value("SELECT state FROM refund WHERE id = :id", id=refund_of(bank_part)) == "new"
    assert circle.told(giver) == [notices.PART_PAID, notices.PART_BACK]
    assert circle.told(circle.organiser) == [
        notices.PART_CAME,
        notices.GROUP_UNMET,
        notices.PART_BACK,
        notices.REFUNDED,
    ]
    assert circle.told(circle.recipient) == []
    assert people.owed("2055", group_id) == 0
    left = circle.do(lambda db: people.rules.phone_bill.left(db, circle.organiser.id, "KES"))
    assert left == circle.do(lambda db: people.rules.phone_bill.left(db, giver.id, "KES"))
    assert people.books_in_order()


def test_no_group_is_closed_before_its_time_or_when_it_is_full(circle: Circle) -> None:
    early, full = circle.begin(), circle.filled()
    circle.do(group_parts.close, circle.rules, group_id=early)
    circle.do(group_parts.close, circle.rules, group_id=full, database=circle.after("8 days"))
    assert (circle.group(early).state, circle.group(full).state) == ("open", "full")


def test_nobody_joins_after_the_time_is_over_or_the_group_was_called_off(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    with pytest.raises(Refusal) as refused:
        circle.do(circle.joining(group_id, giver), database=circle.after("8 days"))
    assert refused.value.code == "group_closed"
    circle.do(groups.call_off, group_id=group_id, organiser=circle.organiser)
    with pytest.raises(Refusal) as refused:
        circle.join(group_id, giver)
    assert refused.value.code == "group_closed"


def test_only_the_organiser_calls_off_and_everyone_has_their_money_again(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    circle.join(group_id, giver)
    with pytest.raises(Refusal) as refused:
        circle.do(groups.call_off, group_id=group_id, organiser=giver)
    assert refused.value.code == "group_closed"
    for _ in range(2):
        circle.do(groups.call_off, group_id=group_id, organiser=circle.organiser)
    circle.chores.end_group_gifts()
    assert circle.chores.end_group_gifts() == 0
    assert circle.told(giver) == [notices.GROUP_CALLED_OFF, notices.REFUNDED]
    assert [state for _, _, state in circle.parts(group_id)] == ["returned", "returned"]
    assert circle.people.owed("2055", group_id) == 0
    assert circle.people.books_in_order()


def test_a_given_group_is_not_called_off(circle: Circle) -> None:
    group_id = circle.filled()
    for _ in range(2):
        with pytest.raises(Refusal) as refused:
            circle.do(groups.call_off, group_id=group_id, organiser=circle.organiser)
        assert refused.value.code == "group_closed"
        circle.chores.end_group_gifts()


def test_a_part_paid_after_the_end_goes_back_by_itself(circle: Circle) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    part = circle.join(group_id, giver, "bank")
    circle.do(groups.call_off, group_id=group_id, organiser=circle.organiser)
    circle.chores.end_group_gifts()
    assert circle.pay(part)
    assert circle.told(giver)[-1] == notices.RECEIPT_GOES_BACK
    assert circle.people.value("SELECT why FROM refund WHERE charge_id = :id", id=part) == "late"
    assert circle.people.books_in_order()


@pytest.mark.parametrize(("state", "returned"), [("open", 0), ("lost", 0), ("won", 1)])
def test_a_part_that_the_givers_bank_takes_back_is_not_paid_back_as_well(
    circle: Circle, state: str, returned: int
) -> None:
    group_id, giver = circle.begin(), circle.people.member()
    part = circle.join(group_id, giver, "bank")
    circle.pay(part)
    circle.people.run(
        "INSERT INTO dispute (id, rail, name, charge_id, amount_minor, currency, state)"
        " VALUES (gen_random_uuid(), 'bank', 'd', :part, 17000, 'KES', :state)",
        part=part,
        state=state,
    )
    circle.a_week_later()
    circle.do(group_parts.give_back, circle.rules, part_id=part)
    assert circle.people.value("SELECT count(*) FROM refund WHERE charge_id = :id", id=part) == returned
    assert circle.people.owed("2055", group_id) == (0 if returned else 17_000)


# Races ----------------------------------------------------------------------------------------------------------------
def race(*racers: tuple[Database, Callable[[Connection], object]]) -> list[object]:
    """All at the same instant, each in a transaction of its own: what each came to, or the code of its refusal."""
    gate = threading.Barrier(len(racers))

    def run(racer: tuple[Database, Callable[[Connection], object]]) -> object:
        database, verb = racer
        try:
            with database.begin() as db:
                db.exec_driver_sql("SELECT 1")
                gate.wait(timeout=30)
                return verb(db)
        except Refusal as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(racers)) as pool:
        return list(pool.map(run, racers))


def receiving(circle: Circle, part: str) -> Callable[[Connection], object]:
    receipt = uuid4().hex
    return lambda db: receipts.received(db, circle.rules, charge_id=part, receipt=receipt, amount=kes(17_000))


def test_two_last_parts_paid_at_once_give_one_gift(circle: Circle) -> None:
    now = circle.people.database
    for _ in range(15):
        group_id = circle.begin()
        parts = [circle.join(group_id, circle.people.member(), "bank") for _ in range(2)]
        race(*[(now, receiving(circle, part)) for part in parts])
        assert circle.group(group_id).state == "full"
        giving = circle.group(group_id).id
        race(*[(now, lambda db: group_parts.give(db, circle.rules, group_id=giving))] * 2)  # noqa: B023
        assert circle.people.owed("2055", group_id) == 0
    assert circle.people.value("SELECT count(*) FROM certificate") == 15
    assert len(circle.told(circle.recipient)) == 15
    assert circle.people.books_in_order()


def test_of_two_who_want_the_last_place_one_has_it(circle: Circle) -> None:
    circle.rules = replace(circle.rules, phone_bill=circle.people.generous.phone_bill)
    for _ in range(15):
        group_id = circle.begin(group_records.among(kes(PRICE), 2))
        racers = [circle.joining(group_id, circle.people.member()) for _ in range(2)]
        results = race(*[(circle.people.database, racer) for racer in racers])
        assert sorted(type(result).__name__ for result in results) == ["Joined", "str"]
        assert "group_full" in results
        assert circle.people.owed("2055", group_id) == PRICE
    assert circle.people.books_in_order()


def test_a_part_paid_as_the_time_ends_is_in_the_gift_or_back_with_its_giver(circle: Circle) -> None:
    circle.rules = replace(circle.rules, phone_bill=circle.people.generous.phone_bill)
    later, ends = circle.after("8 days"), set()
    for _ in range(15):
        group_id = circle.begin(group_records.among(kes(PRICE), 2))
        part = circle.join(group_id, circle.people.member(), "bank")
        receipt = uuid4().hex
        paid = {"charge_id": part, "receipt": receipt}
        race(
            (later, lambda db: receipts.received(db, circle.rules, amount=kes(25_500), **paid)),  # noqa: B023
            (later, lambda db: group_parts.close(db, circle.rules, group_id=group_id)),  # noqa: B023
        )
        ends.add(circle.group(group_id).state)
        circle.a_week_later()
        assert circle.people.owed("2055", group_id) == 0
    later.close()
    assert ends <= {"full", "unmet"}
    assert circle.people.books_in_order()


def test_paid_and_called_off_at_once_a_group_ends_in_one_way(circle: Circle) -> None:
    circle.rules = replace(circle.rules, phone_bill=circle.people.generous.phone_bill)
    for _ in range(15):
        group_id, giver = circle.begin(group_records.among(kes(PRICE), 2)), circle.people.member()
        results = race(
            (circle.people.database, circle.joining(group_id, giver)),
            (circle.people.database, lambda db: groups.call_off(db, group_id=group_id, organiser=circle.organiser)),  # noqa: B023
        )
        assert results.count("group_closed") == 1
        while circle.chores.end_group_gifts():
            pass
        assert circle.people.owed("2055", group_id) == 0
        assert circle.group(group_id).state in ("given", "called_off")
    assert circle.people.books_in_order()


def test_the_prices_of_the_demo_are_what_these_tests_take_them_for(circle: Circle) -> None:
    assert sales.cost(circle.people.denomination(), 1) == kes(PRICE)
