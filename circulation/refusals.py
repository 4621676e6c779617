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
    "wrong_caller": "That phone number and that PIN do not belong together.",
    "wrong_agreement": "That is not the number we sent.",
    "locked": "Too many wrong tries. Please wait until {until} and try again.",
    # buying
    "bill_limit": "Your phone bill cannot take {amount} more now. You may put {left} on it.",
    "no_way_to_pay": "There is no way to pay {amount} from your phone. Choose another value.",
    "too_many_open": "You have payments that are not finished. Please wait for their texts first.",
    "code_not_awaited": "That payment no longer waits for a code.",
    "not_returnable": "That can no longer be given back.",
    "cash_out_not_here": "We cannot pay that out to your phone. It stays yours: please ask our call centre.",
    "not_extendable": "That certificate cannot have more time.",
    "price_changed": "The price has changed. Please choose again.",
    # giving
    "not_yours": "You no longer hold that certificate.",
    "nothing_left": "There is nothing left on that certificate.",
    "expired": "That certificate has expired.",
    "would_have_expired": "It would have expired by then.",
    "fewer_sheets": "You no longer hold that many of it.",
    "too_many_names": "We look up at most {most} names a day for you. This one is not checked.",
    "country_not_served": "Gifts do not go to phones in that country. Type another number.",
    "gifts_a_day": "You may give {most} gifts a day. Please go on tomorrow.",
    "range_busy": "Very many texts went to numbers like that today. Please give to it tomorrow.",
    "own_number": "That is your own number. Type the number of the person it is for.",
    # answering a gift
    "givers_number": "That is the giver's own number. Type yours.",
    "not_reached": "No text of ours reaches that number. Type another.",
    "no_mail": "That address takes no gifts from us. Ask them for their phone number.",
    "named_enough": "A phone was named twice for this gift. Accept it there.",
    "gift_answered": "This gift was already answered.",
    "gift_recalled": "The giver took this gift back.",
    "gift_lapsed": "This gift was not answered in time and went back to its giver.",
    "same_number": "It goes to that number already. Type another one.",
    "gift_shared": "That gift is not yours alone, so it cannot go to another number.",
    "redirected_enough": "A gift goes on to at most {most} other numbers a day. Please try again tomorrow.",
    "on_its_way": "It is still on its way to them. Please give them a little time.",
    "decided": "That is decided already.",
    "not_callable": "We cannot call them about this gift any more.",
    "texted_enough": "We texted them about this gift often enough. It waits for their answer.",
    # group gifts
    "group_unknown": "No group gift with that number is open. Check it and type it again.",
    "group_closed": "That group gift has ended.",
    "group_full": "All parts of that group gift are taken. If one is not paid, it is free again.",
    "group_shares": "From 2 to {most} people can share a gift. Choose another number or sum.",
    "part_taken": "You have a part in that group gift already.",
    "part_changed": "Somebody was faster, and your part has changed. Please begin again.",
    # codes, told to the holder
    "over_balance": "That is more than the certificate holds: {balance}.",
    "over_together": "The most that one shop takes of them together is {balance}.",
    "request_over": "That payment is no longer asked for.",
    # codes, told to a clerk; one sentence for unknown, expired, used and other store
    "code_refused": "This code cannot be used here. Ask the customer for a new code.",
    "over_code": "The most this code can pay is {limit}.",
    "use_undone": "This payment was undone before it came. Nothing was taken.",
    "use_unknown": "This store has no such payment.",
    "hold_ended": "That payment is over. Ask the customer for a new code.",
    "over_hold": "The most that can be taken is {limit}.",
    "use_captured": "That payment was already taken. Give it back instead.",
    "partly_returned": "A part of that payment was already given back. Give back the rest instead.",
    "nothing_to_return": "Nothing of that payment can be given back.",
    "over_captured": "The most that can still be given back is {left}.",
    "being_asked": "The customer is being asked by another till. Try again in a few minutes.",
    "clerk_unknown": "This phone is not registered at a store.",
    # paying stores, told to the operator
    "nothing_owed": "That store is owed nothing.",
}
