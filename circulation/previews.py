"""What a giver packs, shown to the giver before it is given: in an MMS where those are carried, else by links in texts."""

from collections.abc import Sequence

from sqlalchemy import Connection

from circulation import contents, links, notices
from circulation.members import Member
from circulation.notices import Packet
from circulation.rules import Rules
from contents.renditions import PICTURES


def can_show(rules: Rules, to: Member) -> bool:
    """Whether this member's own phone can be sent a picture, or a link to one."""
    return any(rules.routes.carries(form, to.msisdn) for form in ("mms", "sms"))


def show(db: Connection, rules: Rules, to: Member, ids: Sequence[int]) -> None:
    """File what brings these pieces to this member's phone. Nothing of the gift itself is in it, nor in its links."""
    pieces = contents.chosen(db, ids)
    names = [links.mint(db, "card" if piece.kind in PICTURES else "sound", None, piece.id) for piece in pieces]
    if rules.routes.carries("mms", to.msisdn):
        titles = ", ".join(piece.title for piece in pieces)
        packet = Packet("mms", enclosed=tuple(names))
        notices.send_with(db, to, rules.routes, notices.SHOWN, packet, titles=titles, service_code=rules.service_code)
        return
    addresses = links.urls(db, rules, names)
    for piece, name in zip(pieces, names, strict=True):
        notices.send(db, to, rules.routes, notices.SHOWN_BY_LINK, title=piece.title, link=addresses[name])
