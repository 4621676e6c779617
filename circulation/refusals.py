"""Every business "no": a code for machines and a sentence for people, in one list.

A refusal means: understood, and not allowed. Nothing was done. The sentence is English, with {holes}; the engine
translates it before filling the holes.
"""

from circulation.values import Value


class Refusal(Exception):
    """Raised by the verbs. Carries `code`, `sentence` and `holes`."""

    def __init__(self, code: str, **holes: Value) -> None:
        super().__init__(code)
        self.code = code
        self.sentence = SENTENCES[code]
        self.holes = holes


SENTENCES = {
    # members
    "wrong_pin": "That PIN is not right.",
    "wrong_agreement": "That is not the number we sent.",
    "locked": "Too many wrong tries. Please wait until {until} and try again.",
    # buying
    "bill_limit": "Your phone bill cannot take {amount} more now. You may put {left} on it.",
    "no_way_to_pay": "There is no way to pay {amount} from this phone. Choose another value.",
    "too_many_open": "You have payments that are not finished. Please wait for their texts first.",
    "code_not_awaited": "That payment no longer waits for a code.",
    "not_returnable": "That can no longer be given back.",
    "price_changed": "The price has changed. Please choose again.",
    # giving
    "not_yours": "You no longer hold that certificate.",
    "nothing_left": "There is nothing left on that certificate.",
    "own_number": "That is your own number. Type the number of the person it is for.",
    # answering a gift
    "gift_answered": "This gift was already answered.",
    "gift_lapsed": "This gift was not answered in time and went back to its giver.",
    # codes, told to the holder
    "over_balance": "That is more than the certificate holds: {balance}.",
    # codes, told to a clerk; one sentence for unknown, expired, used and other store
    "code_refused": "This code cannot be used here. Ask the customer for a new code.",
    "over_code": "The most this code can pay is {limit}.",
    "clerk_unknown": "This phone is not registered at a store.",
}
