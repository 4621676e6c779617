"""What people who are known by an e-mail address alone are told. The first line of each sentence is the mail's subject."""

from datetime import datetime

from sqlalchemy import Connection

from circulation import links
from circulation.email_address import Email
from circulation.members import Member
from circulation.money import Money
from circulation.rules import Rules
from circulation.values import Value, pack
from storage import outbox

GIFT = (
    "{giver} has a gift for you: {issuer} {amount}\n\n"
    'Message from {giver}: "{note}"\n\n'
    "To accept or refuse it, open this page by {until}:\n\n{link}\n\n"
    "It costs you nothing, and you need a mobile phone to hold the gift. We never ask for a password or a card."
)
GIFT_NO_NOTE = (
    "{giver} has a gift for you: {issuer} {amount}\n\n"
    "To accept or refuse it, open this page by {until}:\n\n{link}\n\n"
    "It costs you nothing, and you need a mobile phone to hold the gift. We never ask for a password or a card."
)
RECALLED = "{giver} took back the gift {issuer} {amount}\n\nIt no longer waits for your answer."

SENTENCES = (GIFT, GIFT_NO_NOTE, RECALLED)


def tell(
    db: Connection,
    rules: Rules,
    to: Email,
    giver: Member,
    gift_id: str,
    issuer: str,
    amount: Money,
    note: str,
    until: datetime,
) -> None:
    """File the mail by which somebody hears of a gift, in the giver's language, with the card and the sounds packed in it."""
    told: dict[str, Value] = {"giver": giver.name, "issuer": issuer, "amount": amount, "until": until}
    page = links.mint_page(db, gift_id, by_mail=True)
    told["link"] = links.urls(db, rules, [page])[page]
    if note:
        told["note"] = note
    enclosed = [page, *links.mint_packed(db, gift_id)]
    _file(db, rules, to, giver.language, GIFT if note else GIFT_NO_NOTE, gift_id, told, enclosed)


def recalled(db: Connection, rules: Rules, to: Email, giver: Member, issuer: str, amount: Money) -> None:
    """File the mail that says that a gift no longer waits."""
    told: dict[str, Value] = {"giver": giver.name, "issuer": issuer, "amount": amount}
    _file(db, rules, to, giver.language, RECALLED, None, told, [])


def _file(
    db: Connection,
    rules: Rules,
    to: Email,
    language: str,
    sentence: str,
    gift_id: str | None,
    told: dict[str, Value],
    enclosed: list[str],
) -> None:
    row = outbox.Row(
        provider=rules.routes.first("email", to),
        address=to.address,
        language=language,
        sentence=sentence,
        holes=pack(told),
        form="email",
        purpose="gift",
        gift_id=gift_id,
        enclosed=enclosed,
    )
    outbox.put(db, [row])
