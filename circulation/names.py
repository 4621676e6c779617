"""Whose phone is it? What a giver may learn of who has a number, before they give to it, and no more than that.

Of a member of ours it is their name, as they choose to be seen; of anybody else the network is asked whether the phone is
that of the person whom the giver names. Both are counted: nobody learns much by trying numbers.
"""

from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, text

from circulation import members
from circulation.members import Member
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal

Shown = Literal["full", "masked", "hidden"]
Known = Literal["match", "no_match", "unknown"]
"""What the network says: the phone is that person's, it is not, or the network cannot tell."""

MOST_A_DAY = 20
"""Numbers of which one giver may learn something within 24 hours."""
USEFUL_SECONDS = 600
"""A question is not asked any more this long after it was put: the giver has gone on."""
FORGET_DAYS = 2
"""Longer than the day for which look-ups are counted; then nobody needs to know who asked about whom."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to the network, in a worker's hands: is this the phone of the person with this first name?"""

    id: int
    attempt: int
    msisdn: Msisdn
    name: str = field(repr=False)


_NAME = text("""
    SELECT name, name_shown FROM member WHERE msisdn = :msisdn AND joined_at IS NOT NULL AND name_shown <> 'hidden'
""")
_SHOW = text("UPDATE member SET name_shown = :shown WHERE id = :id")
_ASKED = text("""
    SELECT id FROM name_check
    WHERE asked_by = :giver AND msisdn = :msisdn AND name = :name AND created_at > clock() - interval '1 day'
    ORDER BY id DESC LIMIT 1
""")
_COUNT = text("""
    SELECT count(*) FROM name_check WHERE asked_by = :giver AND created_at > clock() - interval '1 day'
""")
_SEEN = text("""
    SELECT EXISTS (SELECT FROM name_check
                   WHERE asked_by = :giver AND msisdn = :msisdn AND created_at > clock() - interval '1 day')
""")
_FILE = text("""
    INSERT INTO name_check (msisdn, name, asked_by, state, due_at)
    VALUES (:msisdn, :name, :giver, :state, CASE WHEN :state = 'new' THEN clock() END) RETURNING id
""")
_STATE = text("SELECT state FROM name_check WHERE id = :id")
_CLAIM = text("""
    WITH due AS (
        SELECT id FROM name_check
        WHERE due_at <= clock() AND created_at > clock() - make_interval(secs => :useful)
        ORDER BY due_at LIMIT :batch FOR UPDATE SKIP LOCKED
    )
    UPDATE name_check n SET state = 'asking', attempt = n.attempt + 1, due_at = clock() + make_interval(secs => :lease)
    FROM due WHERE n.id = due.id RETURNING n.id, n.attempt, n.msisdn, n.name
""")
_ANSWERED = text("UPDATE name_check SET state = :state, due_at = NULL WHERE id = :id AND attempt = :attempt")
_LATER = text("""
    UPDATE name_check SET due_at = clock() + make_interval(secs => :seconds) WHERE id = :id AND attempt = :attempt
""")
_FORGET = text("DELETE FROM name_check WHERE created_at < clock() - make_interval(days => :days)")


def masked(name: str) -> str:
    """What is shown of a name by default: "Amina Otieno" is "A**** O.", "Amina" is "A****". Its length is not told."""
    first, *others = name.split()
    return " ".join([f"{_initial(first)}****", *(f"{_initial(other)}." for other in others[-1:])])


def shown(db: Connection, msisdn: Msisdn) -> str:
    """A member's name as that member lets it be seen; empty for one who hides it, and for who is no member."""
    row = db.execute(_NAME, {"msisdn": msisdn.e164}).first()
    if row is None:
        return ""
    return str(row.name) if row.name_shown == "full" else masked(row.name)


def show(db: Connection, member: Member, chosen: Shown) -> None:
    """Let givers who type this member's number see so much of their name."""
    db.execute(_SHOW, {"id": member.id, "shown": chosen})


def may_look(db: Connection, giver: Member, msisdn: Msisdn) -> bool:
    """Whether this giver may still learn something of this number today; the same of members and of anybody else."""
    values = {"giver": giver.id, "msisdn": msisdn.e164}
    return db.execute(_COUNT, values).scalar_one() < MOST_A_DAY or bool(db.execute(_SEEN, values).scalar_one())


def see(db: Connection, giver: Member, msisdn: Msisdn) -> str:
    """A member's name, shown to a giver who typed their number, and counted. The same number counts once a day.

    Raises Refusal `too_many_names`.
    """
    _file(db, giver, msisdn, "", "shown")
    return shown(db, msisdn)


def ask(db: Connection, giver: Member, msisdn: Msisdn, name: str) -> int:
    """Put a question to the network, which the worker asks; its id. The same question within a day is the same one.

    Raises Refusal `too_many_names`.
    """
    return _file(db, giver, msisdn, name, "new")


def known(db: Connection, check_id: int) -> Known:
    """What the network has said until now."""
    state = db.execute(_STATE, {"id": check_id}).scalar()
    return state if state in ("match", "no_match") else "unknown"


def claim(db: Connection, *, batch: int, lease: float) -> list[Question]:
    """Take up to `batch` questions that are due in hand, for `lease` seconds."""
    rows = db.execute(_CLAIM, {"batch": batch, "lease": lease, "useful": USEFUL_SECONDS})
    return [Question(id_, attempt, Msisdn(msisdn), name) for id_, attempt, msisdn, name in rows]


def answered(db: Connection, question: Question, answer: Known) -> None:
    """Keep what the network said. A worker whose lease ended, and was taken over, changes nothing."""
    db.execute(_ANSWERED, {"id": question.id, "attempt": question.attempt, "state": answer})


def later(db: Connection, question: Question, *, seconds: float) -> None:
    """The network gave no clear answer: it is asked again after so many seconds."""
    db.execute(_LATER, {"id": question.id, "attempt": question.attempt, "seconds": seconds})


def forget(db: Connection) -> int:
    """Delete what is two days old: whose names were asked about is nobody's business for longer. Returns how many."""
    return db.execute(_FORGET, {"days": FORGET_DAYS}).rowcount


def _file(db: Connection, giver: Member, msisdn: Msisdn, name: str, state: str) -> int:
    members.lock(db, giver.id)
    check = {"giver": giver.id, "msisdn": msisdn.e164, "name": name, "state": state}
    before = db.execute(_ASKED, check).scalar()
    if before is not None:
        return int(before)
    if db.execute(_COUNT, check).scalar_one() >= MOST_A_DAY:
        raise Refusal("too_many_names", most=MOST_A_DAY)
    return int(db.execute(_FILE, check).scalar_one())


def _initial(word: str) -> str:
    """The first letter of a word, or its first sign when it has none."""
    return next((char for char in word if char.isalpha()), word[0])
