"""What the page of a gift says, in English: the message ids of its translations."""

TITLE = "A gift for you"
GIVES = "{giver} gives you {issuer} {amount}."
NOTE = 'Message from {giver}: "{note}"'
BY_TEXT = (
    "To accept it, reply 1 to the text we sent you; to refuse it, reply 2. Or dial {service_code}. Answer by {until}."
)
BY_BUTTON = "Accept or refuse it by {until}."
TEXT_SENT = (
    "We sent a text to the phone whose number ends in {digits}. Reply 1 to that text to accept the gift, or 2 to refuse "
    "it, by {until}."
)
ASK_PHONE = "On which mobile phone will you hold it? Type its number."
ONLY_THAT_PHONE = "We send that phone a text. Only its reply accepts the gift."
CHECK_PHONE = "We will send a text to {phone}. Is that your number?"
SURE = "Refuse the gift? It goes back to {giver}, and you cannot have it later."
ACCEPTED = "This gift was accepted."
SHOW_BARCODE = "Show this picture in the shop. You are then asked on your phone whether to pay."
DECLINED = "This gift was refused. It went back to {giver}."
LAPSED = "This gift was not answered in time. It went back to {giver}."
RECALLED = "{giver} took this gift back."
CHANGED = "This page had changed meanwhile. Please look at it again."
NO_MORE = "Shall we send no more gifts to {address}? Who wants to give you one is told."
NO_MORE_DONE = "We send no more gifts to {address}."
MORE_AGAIN = "We send gifts to {address} again."
LISTEN = "Listen: {name}"
NOT_PLAYED = "If you hear nothing, open the sound by its name."
ACCEPT, REFUSE, OTHER_PHONE = "Accept", "Refuse", "Other phone number"
NEXT, SEND_TEXT, TYPE_AGAIN = "Next", "Yes, send it", "Type it again"
GO_BACK, SEND_NO_MORE, SEND_AGAIN = "Go back", "Send no more", "Send them again"

SENTENCES = (
    TITLE,
    GIVES,
    NOTE,
    BY_TEXT,
    BY_BUTTON,
    TEXT_SENT,
    ASK_PHONE,
    ONLY_THAT_PHONE,
    CHECK_PHONE,
    SURE,
    ACCEPTED,
    SHOW_BARCODE,
    DECLINED,
    LAPSED,
    RECALLED,
    CHANGED,
    NO_MORE,
    NO_MORE_DONE,
    MORE_AGAIN,
    LISTEN,
    NOT_PLAYED,
    ACCEPT,
    REFUSE,
    OTHER_PHONE,
    NEXT,
    SEND_TEXT,
    TYPE_AGAIN,
    GO_BACK,
    SEND_NO_MORE,
    SEND_AGAIN,
)

ENDS = {"accepted": ACCEPTED, "declined": DECLINED, "lapsed": LAPSED, "recalled": RECALLED}
"""What the page says of a gift that no longer waits."""
