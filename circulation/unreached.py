"""Why a recipient could not be told of a gift, in words for its giver, and what the giver may do about it."""

from collections.abc import Mapping
from typing import Literal

Why = Literal["unknown", "no_texts", "off", "blocked", "opted_out", "no_answer", "no_route", "mail", "other"]

CODES: Mapping[str, Why] = {
    "21211": "unknown",
    "30005": "unknown",
    "21612": "no_texts",
    "21614": "no_texts",
    "30006": "no_texts",
    "30003": "off",
    "30004": "blocked",
    "30007": "blocked",
    "21610": "opted_out",
    "opted_out": "opted_out",
    "no_route": "no_route",
    "InvalidPhoneNumber": "unknown",
    "403": "unknown",
    "404": "no_texts",
    "406": "opted_out",
    "407": "no_route",
    "409": "blocked",
    "UserDoesNotExist": "unknown",
    "NotNetworkSubscriber": "unknown",
    "UserIsInactive": "off",
    "AbsentSubscriber": "off",
    "UserInBlacklist": "opted_out",
    "UserInBlackList": "opted_out",
    "DoNotDisturbRejection": "blocked",
}
"""What the codes of Twilio (its error dictionary) and Africa's Talking (status codes and failure reasons) come to.

A code that is not named here is `other`: nothing is claimed that we do not know.
"""

SENTENCES: Mapping[Why, str] = {
    "unknown": "We could not reach {recipient} with your gift {issuer} {amount}: that number is not in use.",
    "no_texts": "We could not reach {recipient} with your gift {issuer} {amount}: that phone takes no texts.",
    "off": "We could not reach {recipient} with your gift {issuer} {amount}: the phone is off or out of reach.",
    "blocked": "We could not reach {recipient} with your gift {issuer} {amount}: their network holds our texts back.",
    "opted_out": "We could not reach {recipient} with your gift {issuer} {amount}: they want no texts from us.",
    "no_answer": "Nobody took our call to {recipient} about your gift {issuer} {amount}.",
    "no_route": "We could not reach {recipient} with your gift {issuer} {amount}: we cannot write to that network.",
    "mail": "We could not reach {recipient} with your gift {issuer} {amount}: our mail came back.",
    "other": "We could not reach {recipient} with your gift {issuer} {amount}: their network did not take it.",
}
"""Told where the choices follow as a list."""

_ASK = "Reply 1 for another number or 2 to take it back, or dial {service_code}."
_ASK_CALL = "Reply 1 for another number, 2 to have them called, 3 to take it back, or dial {service_code}."
_WAITS = "It waits for them until {until}: tell them to dial {service_code}."

ASKED: Mapping[Why, str] = {why: f"{sentence} {_ASK}" for why, sentence in SENTENCES.items()}
"""Told by text where another number can be chosen, or the gift taken back."""
ASKED_CALL: Mapping[Why, str] = {why: f"{sentence} {_ASK_CALL}" for why, sentence in SENTENCES.items()}
"""Told by text where the recipient can be called as well."""
TOLD: Mapping[Why, str] = {why: f"{sentence} {_WAITS}" for why, sentence in SENTENCES.items()}
"""Told by text of a gift that others have paid with: it is not one giver's to take back or to send elsewhere."""

NOTICES = (*ASKED.values(), *ASKED_CALL.values(), *TOLD.values())


def why(form: str, code: str, action: str = "") -> Why:
    """What a message's end comes to: its form, its error code, and what the provider's table says to do about it."""
    if action == "opted_out":
        return "opted_out"
    if form == "voice":
        return "no_answer"
    if form == "email":
        return "mail"
    return CODES.get(code, "other")
