"""Packing: the part of a gift in which the giver adds a card, a character, a ringtone, music or a song.

< Pack something with it? 1. Nothing 2. Ringtone 3. Background music 4. Card 5. Character 6. Song
> 4                   < Which card? 1. Congratulations 2. Happy birthday ...
> 2                   < Packed: Happy birthday. 1. Send it so 2. Pack more or change 3. Show me first
> 1                   (goes on with the gift)

One piece of each kind, and at most three. Where nothing is in the catalogue, or the recipient can neither be sent a picture
nor a link to one, no word of it is said.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

from bot.dialog import Choose, Flow, Move, Option, Step, move
from circulation import contents, previews
from circulation.contents import KINDS, MOST_PACKED, Content
from circulation.email_address import Email
from circulation.msisdn import Msisdn
from contents.outside import LONGEST_TITLE
from contents.renditions import Kind

SHOWN_BY = ("mms", "sms", "email")
"""The forms of a message that bring what was packed, or a link to it."""

ON = {"ready": "Send it so", "more": "Pack more or change"}
STEPS: Sequence[Step] = (
    Choose("pack", "Pack something with it?", options="offered"),
    Choose("ringtone", "Which ringtone?", options="ringtones"),
    Choose("music", "Which music?", options="music"),
    Choose("card", "Which card?", options="cards"),
    Choose("character", "Which character?", options="characters"),
    Choose("song", "Which song?", options="songs"),
    Choose("packed", "Packed: {titles}.", options="ways_on"),
    Choose("previewed", "You get {titles} on this phone. Dial again or reply to go on.", options=ON),
)
MOVES: Sequence[Move] = (
    *(move(kind, "pack", kind) for kind in KINDS),
    *(
        row
        for kind in KINDS
        for row in (move("answered", kind, "packed", when="packed"), move("answered", kind, "pack"))
    ),
    move("show", "packed", "previewed", do="show"),
    *(move("more", at, "pack") for at in ("packed", "previewed")),
)
HOLES: Mapping[str, str] = {"title": "W" * LONGEST_TITLE, "titles": ", ".join(["W" * LONGEST_TITLE] * MOST_PACKED)}


class Packing(Flow):
    """A flow whose answer `recipient` says for whom it packs. Its own moves lead to `pack`, and on from two triggers:
    `nothing` at `pack`, and `ready` at `packed` and `previewed`."""

    def may_pack(self) -> bool:
        """Whether there is anything to pack, and a way for the recipient to see or hear it."""
        recipient = self.answers["recipient"]
        assert isinstance(recipient, Msisdn | Email), "a number or an address was parsed"
        return any(self.rules.routes.carries(form, recipient) for form in SHOWN_BY) and bool(self._kinds)

    def packed(self) -> bool:
        """Whether anything was packed that is still there."""
        return bool(self._packed)

    def pieces(self) -> list[int]:
        """The pieces that were packed, in the order of their kinds."""
        return [content.id for content in self._packed]

    def titles(self) -> str:
        """What was packed, for people."""
        return ", ".join(content.title for content in self._packed)

    def ways_on(self) -> list[Option]:
        """What can be done with what is packed. It is shown once: another MMS of the same pieces is no news."""
        ways = [Option("", "Send it so", trigger="ready"), Option("", "Pack more or change", trigger="more")]
        if (
            self.member
            and self.answers.get("sent_pieces") != self._chosen()
            and previews.can_show(self.rules, self.member)
        ):
            ways.append(Option("", "Show me first", trigger="show"))
        return ways

    def show(self) -> None:
        """Send the giver what was packed."""
        assert self.member is not None, "only holders get here"
        self.answers["sent_pieces"] = self._chosen()
        previews.show(self.db, self.rules, self.member, self.pieces())

    def offered(self) -> list[Option]:
        """The kinds that can be packed; when no more fit, those that can be changed."""
        full = len(self.pieces()) >= MOST_PACKED
        every = [
            Option("ringtone", "Ringtone", trigger="ringtone"),
            Option("music", "Background music", trigger="music"),
            Option("card", "Card", trigger="card"),
            Option("character", "Character", trigger="character"),
            Option("song", "Song", trigger="song"),
        ]
        kinds = [one for one in every if one.value in self._kinds and (not full or self.answers.get(str(one.value)))]
        if self.packed():
            return [Option("", "Nothing more", trigger="nothing"), *kinds]
        return [Option("", "Nothing", trigger="nothing"), *kinds]

    def ringtones(self) -> list[Option]:
        return self._titles("ringtone")

    def music(self) -> list[Option]:
        return self._titles("music")

    def cards(self) -> list[Option]:
        return self._titles("card")

    def characters(self) -> list[Option]:
        return self._titles("character")

    def songs(self) -> list[Option]:
        return self._titles("song")

    def _titles(self, kind: Kind) -> list[Option]:
        listed = [Option(one.id, "{title}", {"title": one.title}) for one in contents.listed(self.db, kind)]
        return [*listed, Option(0, "None of these")]

    def _chosen(self) -> str:
        return " ".join(str(self.answers[kind]) for kind in KINDS if self.answers.get(kind))

    @property
    def _packed(self) -> list[Content]:
        ids = [int(id_) for id_ in self._chosen().split()]
        return contents.chosen(self.db, ids) if ids else []

    @cached_property
    def _kinds(self) -> list[Kind]:
        return contents.kinds(self.db)
