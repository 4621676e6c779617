"""Join: become a member, inside the first purchase.

< Joining is free and takes a minute. 1. Join now 2. Not now
> 1                   < What is your name? The people you give to will see it.
> Amina               < Which language? 1. English 2. Kiswahili
> 1                   < Choose a PIN of 4 digits ...          (by USSD; by SMS no PIN is ever asked for)
"""

from bot.dialog import Ask, Choose, Detour, End, Flow, move
from bot.parsing import name
from circulation import members
from flows.language import LANGUAGES


class Join(Flow):
    title = "Join"
    steps = [
        Choose(
            "offer",
            "To buy you become a member. It is free and takes a minute.",
            options={"join": "Join now", "no": "Not now"},
        ),
        Ask("name", "What is your name? The people you give to will see it.", parse=name, free=True, written=True),
        Choose("language", "Which language?", options=LANGUAGES),
        Detour("pin", flow="pin"),
        End("joined", "Welcome, {name}."),
        End("refused"),
    ]
    moves = [
        move("open", "start", "offer"),
        move("join", "offer", "name"),
        move("no", "offer", "refused"),
        move("answered", "name", "language"),
        *[move(language, "language", "pin", when="in_dialog", do="join") for language in LANGUAGES],
        *[move(language, "language", "joined", do="join") for language in LANGUAGES],
        move("chosen", "pin", "joined"),
    ]
    holes = {"name": "W" * 40}

    def join(self) -> None:
        language = str(self.answers["language"])
        self.speak(language)
        members.join(self.db, self.phone, name=str(self.answers["name"]), language=language, pin_hash=None)
