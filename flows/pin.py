"""PIN: choose the four digits that sign every payment, gift and code made by dialling.

< Choose a PIN of 4 digits. You will type it to agree to payments.
> 7193                < Type the same PIN again, or 0 to choose another.
> 7193                (goes on where it was needed)
"""

from bot import parsing
from bot.dialog import End, Flow, Secret, move
from bot.parsing import NotUnderstood
from circulation import members


class Pin(Flow):
    title = "PIN"
    steps = [
        Secret("pin", "Choose a PIN of 4 digits. You will type it to agree to payments.", parse="new_pin"),
        Secret("again", "Type the same PIN again, or 0 to choose another.", parse="same_pin"),
        End("chosen"),
    ]
    moves = [
        move("open", "start", "pin"),
        move("answered", "pin", "again"),
        move("answered", "again", "chosen", do="keep"),
    ]

    def new_pin(self, text: str) -> str:
        pin = parsing.pin(text)
        if self.phone.e164.endswith(pin):
            raise NotUnderstood("That PIN is easy to guess. Choose another.")
        return self.rules.pins.hash(pin)

    def same_pin(self, text: str) -> str:
        if not self.rules.pins.same(parsing.pin_entry(text), str(self.answers["pin"])):
            raise NotUnderstood("That is not the same PIN.")
        return ""

    def keep(self) -> None:
        members.choose_pin(self.db, self.phone, str(self.answers["pin"]))
