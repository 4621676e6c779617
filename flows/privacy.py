"""Privacy: how much of your name somebody sees who is about to give to your number.

> NAME                < People who give to your number see A**** O. What may they see?
                        1. Full name 2. First letters 3. Nothing
> 3                   < Kept. People who give to your number see no name.
"""

from bot.dialog import Choose, End, Flow, move
from circulation import names

CHOICES = {"full": "Full name", "masked": "First letters", "hidden": "Nothing"}


class Privacy(Flow):
    title = "Who may see your name"
    keywords = {"NAME": "open"}
    steps = [
        End("stranger", "We do not know your name. You type it when you first buy something."),
        Choose("seen", "People who give to your number see {shown}. What may they see?", options=CHOICES),
        Choose("unseen", "People who give to your number see no name. What may they see?", options=CHOICES),
        End("kept", "Kept. People who give to your number see {shown}."),
        End("hidden", "Kept. People who give to your number see no name."),
    ]
    moves = [
        move("open", "start", "stranger", unless="has_joined"),
        move("open", "start", "seen", when="is_seen"),
        move("open", "start", "unseen"),
        *[
            row
            for at in ("seen", "unseen")
            for row in (
                move("full", at, "kept", do="show_full"),
                move("masked", at, "kept", do="show_masked"),
                move("hidden", at, "hidden", do="hide"),
            )
        ],
    ]
    holes = {"shown": "W" * 40}

    def has_joined(self) -> bool:
        return self.member is not None and self.member.joined

    def is_seen(self) -> bool:
        return bool(self.shown())

    def shown(self) -> str:
        return names.shown(self.db, self.phone)

    def show_full(self) -> None:
        self._show("full")

    def show_masked(self) -> None:
        self._show("masked")

    def hide(self) -> None:
        self._show("hidden")

    def _show(self, chosen: names.Shown) -> None:
        assert self.member is not None, "only members get here"
        names.show(self.db, self.member, chosen)
