"""Language: choose the language we speak.

> LANG                < Choose your language. Chagua lugha yako. 1. English 2. Kiswahili
> 2                   < Giftline. Ungependa nini? ...
"""

from bot.dialog import Choose, Flow, Go, move
from circulation import members

LANGUAGES = {"en": "English", "sw": "Kiswahili"}
"""Each language by its own name, as its speakers look for it."""


class Language(Flow):
    title = "Language"
    keywords = {"LANG": "open", "LANGUAGE": "open", "LUGHA": "open"}
    steps = [
        Choose("which", "Choose your language. Chagua lugha yako.", options=LANGUAGES, drop="leave"),
        Go("menu", flow="menu"),
    ]
    moves = [
        move("open", "start", "which"),
        *[move(language, "which", "menu", do="change") for language in LANGUAGES],
    ]

    def change(self) -> None:
        language = str(self.answers["which"])
        self.speak(language)
        members.speak(self.db, self.phone, language)
