"""The catalogue of what gifts are packed with, and what was packed."""

from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from circulation import contents, gifting
from contents.renditions import AMR, GIF, JPEG, MP3, RTTTL, Rendition
from tests import packing
from tests.people import People

SMALL = [Rendition(JPEG, rung, bytes(size)) for rung, size in enumerate((900, 500, 100))]


def imported(people: People, key: str, title: str = "Sunset", kind: str = "card") -> int:
    with people.database.begin() as db:
        return contents.import_piece(db, key=key, kind=kind, title=title, source="", renditions=SMALL)  # type: ignore[arg-type]


def given(people: People, *packed: int, gift_id: str | None = None) -> str:
    """A gift with these pieces; its id."""
    giver, gift_id = people.member("Amina"), gift_id or str(uuid4())
    with people.database.begin() as db:
        gifting.give(
            db,
            people.rules,
            gift_id=gift_id,
            giver=giver,
            certificates=[people.certificate(giver)],
            recipient=people.number(),
            note="",
            receipt=False,
            packed=packed,
        )
    return gift_id


def test_only_kinds_with_something_in_them_are_offered_in_menu_order(people: People) -> None:
    with people.database.begin() as db:
        assert contents.kinds(db) == []
    packing.stock(people.database, ("birthday", "kleine-nachtmusik", "thanks"))

    with people.database.begin() as db:
        assert contents.kinds(db) == ["ringtone", "card"]
        assert [one.title for one in contents.listed(db, "card")] == ["Happy birthday", "Thank you"]
        assert contents.listed(db, "song") == []


def test_a_gift_holds_what_was_packed_in_the_order_it_was_packed(people: People) -> None:
    ids = packing.stock(people.database, ("birthday", "good-morning"))
    gift_id = given(people, ids["good-morning"], ids["birthday"])

    with people.database.begin() as db:
        contents.pack(db, gift_id, [ids["birthday"]])  # once more: it stays as it is
        assert [one.key for one in contents.packed(db, gift_id)] == ["good-morning", "birthday"]
        assert contents.packed(db, given(people)) == []


def test_more_than_fits_and_what_is_not_there_cannot_be_packed(people: People) -> None:
    ids = [imported(people, f"card-{number}") for number in range(4)]
    with pytest.raises(ValueError, match="at most 3"):
        given(people, *ids)
    with pytest.raises(IntegrityError):
        given(people, 999_999)


def test_importing_a_key_again_replaces_its_renditions_and_keeps_its_id(people: People) -> None:
    first = imported(people, "sunset", "Sunset")
    with people.database.begin() as db:
        assert contents.withdraw(db, "sunset")
        assert not contents.withdraw(db, "sunset")
        again = contents.import_piece(
            db, key="sunset", kind="card", title="Evening", source="sunny", renditions=SMALL[:1]
        )
        (kept,) = contents.every(db)
        assert (again, kept.title, kept.source, kept.withdrawn) == (first, "Evening", "sunny", False)
        assert contents.rendition(db, first, JPEG, 500) is None


def test_a_key_of_another_kind_is_not_replaced(people: People) -> None:
    imported(people, "sunset", "Sunset")
    with pytest.raises(contents.OtherKind):
        imported(people, "sunset", "Evening", kind="character")

    with people.database.begin() as db:
        assert [(one.kind, one.title) for one in contents.every(db)] == [("card", "Sunset")]


def test_what_was_withdrawn_is_no_longer_offered(people: People) -> None:
    imported(people, "sunset")
    with people.database.begin() as db:
        contents.withdraw(db, "sunset")
        assert contents.kinds(db) == []
        assert contents.listed(db, "card") == []


def test_the_largest_rendition_that_fits_is_the_one_that_is_sent(people: People) -> None:
    card = imported(people, "sunset")
    with people.database.begin() as db:
        found = {most: contents.rendition(db, card, JPEG, most) for most in (1_000, 899, 100, 99)}
        assert {most: one and one.rung for most, one in found.items()} == {1_000: 0, 899: 1, 100: 2, 99: None}
        assert contents.rendition(db, card, GIF, 10**9) is None


def test_every_form_of_a_piece_is_kept(people: People) -> None:
    ids = packing.stock(people.database, ("kleine-nachtmusik",))
    with people.database.begin() as db:
        for made in packing.made("kleine-nachtmusik"):
            assert contents.rendition(db, ids["kleine-nachtmusik"], made.mime, 10**9) == made
    assert {made.mime for made in packing.made("kleine-nachtmusik")} >= {MP3, AMR, RTTTL}
