"""Called: we call somebody about a gift. The phone that answers hears it, takes it or not, and may choose a first PIN.

< Hello, this is Giftline. Amina gives you Soko Bora 500 Kenyan shillings. For Accept, press 1. For Refuse, press 2. ...
> 1                   < It is yours: Soko Bora 500 Kenyan shillings. You need a PIN to pay with it. For Choose a PIN ...
> 1                   < Choose a PIN of 4 digits. You will type it to agree to payments. Then press hash.
> 7193                < Type the same PIN again, or 0 to choose another. Then press hash.
> 7193                < Your PIN is kept. To pay with it in a shop dial star 3 8 4 star 4 4 3 8 hash or text PAY.
"""

from bot.dialog import Choose, Detour, End, move
from flows.claim import ANSWERS, Claim


class Called(Claim):
    title = "Called about a gift"
    keywords = {}
    steps = [
        Choose(
            "question",
            'Hello, this is Giftline. {giver} gives you {issuer} {amount}. Message from {giver}: "{note}".',
            options=ANSWERS,
        ),
        Choose("question_no_note", "Hello, this is Giftline. {giver} gives you {issuer} {amount}.", options=ANSWERS),
        Choose(
            "no_pin_yet",
            "It is yours: {issuer} {amount}. You need a PIN to pay with it.",
            options={"now": "Choose a PIN", "then": "Not now"},
        ),
        Detour("pin", flow="pin"),
        End("accepted", "It is yours: {issuer} {amount}. To pay with it in a shop dial {service_code} or text PAY."),
        End("kept", "Your PIN is kept. To pay with it in a shop dial {service_code} or text PAY."),
        End("declined", "Your answer was sent. {issuer} {amount} goes back to {giver}."),
        End("later", "It waits for your answer. Dial {service_code}."),
        End("gone", "This gift is no longer waiting for you."),
        End("none", "No gift is waiting for you."),
    ]
    moves = [
        *[
            row
            for begun in ("open", "lost")  # when we lost our place, the question is put again
            for row in (
                move(begun, "start", "none", unless="there_is_one"),
                move(begun, "start", "question", when="with_note"),
                move(begun, "start", "question_no_note"),
            )
        ],
        *[
            row
            for question in ("question", "question_no_note")
            for row in (
                move("accept", question, "no_pin_yet", when="pin_missing", do="accept", refused="gone"),
                move("accept", question, "accepted", do="accept", refused="gone"),
                move("decline", question, "declined", do="decline", refused="gone"),
                move("later", question, "later"),
            )
        ],
        move("now", "no_pin_yet", "pin"),
        move("then", "no_pin_yet", "accepted"),
        move("chosen", "pin", "kept"),
    ]
