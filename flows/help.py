"""Help: how it works, in a few short screens.

> HELP                < Giftline sells gift certificates ... 1. Buying 2. Giving 3. Using 4. Safety
"""

from bot.dialog import Choose, Flow, move

TOPICS = ("buying", "giving", "using", "safety")


class Help(Flow):
    title = "Help"
    keywords = {"HELP": "open", "MSAADA": "open"}
    steps = [
        Choose(
            "topics",
            "How it works. Dial {service_code} or send a text.",
            options={
                "buying": "Buying",
                "giving": "Giving",
                "using": "Paying in a shop",
                "safety": "Safety",
            },
            drop="leave",
        ),
        Choose(
            "buying",
            "Choose a certificate, a value and how to pay. Or text BUY.",
            options={},
            drop="leave",
        ),
        Choose(
            "giving",
            "Choose what you hold and a phone number. If they refuse, it comes back. Or text GIFT.",
            options={},
            drop="leave",
        ),
        Choose(
            "using",
            "Get a code, show it to the clerk. It works once, for 10 minutes. Or text PAY.",
            options={},
            drop="leave",
        ),
        Choose(
            "safety",
            "Never tell your PIN to anyone. Show a code only to the clerk at the till.",
            options={},
            drop="leave",
        ),
    ]
    moves = [
        move("open", "start", "topics"),
        *[move(topic, "topics", topic) for topic in TOPICS],
    ]
    holes = {"service_code": "*384*4438*999#"}

    def service_code(self) -> str:
        return self.rules.service_code
