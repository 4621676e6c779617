"""What a provider's code for a message means to us: one table per provider, and what is done about codes it does not hold.

A code is met at two moments: the provider refuses a message that is being sent (`bot/sending.py`), or tells later that it did
not arrive (`circulation/following.py`). The tables are the same for both. Sources: Twilio's error dictionary; Africa's Talking's
documentation of sending and of delivery reports; Kannel's user guide and the answers of its version 1.4.5; SMPP 3.4, 5.1.3
and appendix B. Twilio warns against relying on its codes, so an unknown one is harmless.
"""

from collections.abc import Mapping
from typing import Literal

Action = Literal["later", "slow", "once", "other", "smaller", "plain", "never", "opted_out", "alarm", "page"]
"""What is done about a message that was refused, or did not arrive:

- `later`: the same again, with growing pauses;
- `slow`: we are too fast for the provider; everything by it waits, then the same again;
- `once`: the same again one time, a good while later;
- `other`: not in this form: another form, or another number;
- `smaller`: what it carries is too large there: the next smaller rendition;
- `plain`: what it carries is at fault: the words alone, and an alarm, because the fault is ours;
- `never`: this address cannot be written to;
- `opted_out`: this person told the provider that they want nothing more from us;
- `alarm`: our own settings or account are at fault; the operator is told;
- `page`: as `alarm`, and nothing will go by this provider until somebody acts.
"""

TWILIO: Mapping[str, Action] = {
    "14107": "slow",  # sending too fast
    "20429": "slow",  # too many requests
    "21611": "slow",  # the sender's queue is full
    "30001": "slow",  # the queue overflowed
    "20003": "alarm",  # wrong credentials
    "21211": "never",  # not a phone number
    "21408": "alarm",  # this country is not switched on
    "21606": "alarm",  # our number cannot send texts
    "21608": "alarm",  # a trial account may only text verified numbers
    "21609": "alarm",  # the status callback's address is refused
    "21610": "opted_out",
    "21612": "other",  # cannot be reached from this number
    "21614": "other",  # not a mobile
    "21617": "plain",  # longer than 1600 characters
    "21620": "plain",  # a media address that cannot be used
    "30002": "page",  # the account is suspended
    "30003": "once",  # the handset is off or out of reach
    "30004": "other",  # blocked
    "30005": "never",  # unknown handset
    "30006": "other",  # a landline, or a carrier that cannot be reached
    "30007": "other",  # filtered
    "30008": "once",  # unknown
    "30011": "other",  # MMS is not supported there
    "30019": "smaller",  # larger than the carrier allows
    "30036": "once",  # it waited longer than it was good for
    # of calls
    "machine": "other",
    "busy": "other",
    "no-answer": "other",
    "hung-up": "other",
    "failed": "other",
    "canceled": "other",
}

AFRICASTALKING: Mapping[str, Action] = {
    "401": "alarm",  # RiskHold
    "402": "alarm",  # InvalidSenderId
    "403": "never",  # InvalidPhoneNumber
    "404": "other",  # UnsupportedNumberType
    "405": "alarm",  # InsufficientBalance
    "406": "opted_out",  # UserInBlacklist
    "407": "later",  # CouldNotRoute
    "409": "other",  # DoNotDisturbRejection
    "500": "later",  # InternalServerError
    "501": "later",  # GatewayError
    "502": "later",  # RejectedByGateway
    "http_401": "alarm",
    "http_403": "alarm",
    "http_429": "slow",
    # a send refused as a whole
    "InvalidSenderId": "alarm",
    "InsufficientBalance": "alarm",
    # reasons in delivery reports
    "InsufficientCredit": "alarm",
    "InvalidLinkId": "alarm",
    "UserNotSubscribedToProduct": "alarm",
    "UserInBlackList": "opted_out",
    "UserIsInactive": "once",
    "UserAccountSuspended": "other",
    "NotNetworkSubscriber": "never",
    "UserDoesNotExist": "never",
    "DeliveryFailure": "once",
}

KANNEL: Mapping[str, Action] = {
    "denied": "other",  # the number is on Kannel's black list
    "not_routable": "other",  # no connection of Kannel's takes this number
    "http_400": "alarm",  # something that we sent is misformed, or no sender is known
    "http_403": "alarm",  # wrong user, password or address
    "http_404": "alarm",  # KANNEL_URL is not its sendsms address
    # states in delivery reports
    "2": "once",  # not delivered to the phone
    "16": "other",  # rejected by the SMSC
}

SMPP: Mapping[str, Action] = {
    "0x01": "alarm",  # ESME_RINVMSGLEN
    "0x03": "alarm",  # ESME_RINVCMDID: it has no submit_sm
    "0x04": "later",  # ESME_RINVBNDSTS: it has forgotten our bind
    "0x08": "later",  # ESME_RSYSERR
    "0x0a": "alarm",  # ESME_RINVSRCADR: SMPP_FROM is not ours
    "0x0b": "never",  # ESME_RINVDSTADR
    "0x14": "slow",  # ESME_RMSGQFUL
    "0x15": "alarm",  # ESME_RINVSERTYP
    "0x43": "alarm",  # ESME_RINVESMCLASS
    "0x45": "later",  # ESME_RSUBMITFAIL
    "0x48": "alarm",  # ESME_RINVSRCTON
    "0x49": "alarm",  # ESME_RINVSRCNPI
    "0x50": "alarm",  # ESME_RINVDSTTON
    "0x51": "alarm",  # ESME_RINVDSTNPI
    "0x58": "slow",  # ESME_RTHROTTLED
    "0x64": "later",  # ESME_RX_T_APPN
    "0x65": "other",  # ESME_RX_P_APPN
    "0x66": "other",  # ESME_RX_R_APPN
    "0xfe": "later",  # ESME_RDELIVERYFAILURE
    "0xff": "later",  # ESME_RUNKNOWNERR
    # states in receipts
    "EXPIRED": "once",  # the handset was off or out of reach for as long as the SMSC tried
    "UNDELIV": "other",
    "DELETED": "other",
    "REJECTD": "other",
}

SMTP: Mapping[str, Action] = {
    # status codes (RFC 3463), in replies and in mails that came back
    "5.1.1": "never",  # no such mailbox
    "5.1.2": "never",  # no such domain
    "5.1.3": "never",  # no address
    "5.1.6": "never",  # the mailbox has moved
    "5.1.10": "never",  # the domain takes no mail
    "5.2.1": "never",  # the mailbox is closed
    "5.2.2": "once",  # the mailbox is full
    "5.2.3": "never",  # larger than the mailbox takes
    "5.3.4": "never",  # larger than the server takes
    "5.7.1": "other",  # filtered, or not allowed
    "5.7.8": "alarm",  # wrong credentials
    "4.4.7": "once",  # given up after days of trying
    # replies without one (RFC 5321, 4.2)
    "421": "later",
    "450": "later",
    "451": "later",
    "452": "later",
    "454": "later",
    "500": "alarm",
    "502": "alarm",
    "503": "alarm",
    "530": "alarm",  # wants us to log in
    "534": "alarm",
    "535": "alarm",
    "538": "alarm",
    "550": "never",
    "551": "never",
    "552": "never",
    "553": "never",
    "554": "other",
}

TABLES: Mapping[str, Mapping[str, Action]] = {
    "twilio": TWILIO,
    "africastalking": AFRICASTALKING,
    "kannel": KANNEL,
    "smpp": SMPP,
    "smtp": SMTP,
}

OURS: Mapping[str, Action] = {
    "opted_out": "opted_out",  # we knew it before we asked anybody
    "over": "never",  # the gift it told of was answered or taken back before it left
    "no_route": "other",  # nobody carries this form there any more
    "attempts": "other",  # every worker that had it was lost
    "not_known": "other",  # its provider was asked, did not answer and serves us no more
    "fault": "never",  # a bug of ours, in this one message
}
"""What we write ourselves where no provider said anything."""


def when_refused(provider: str, code: str) -> Action:
    """What to do about a send that was refused. An unknown code is tried again: a refusal repeated a few times costs nothing,
    a passing fault taken for a refusal loses a message."""
    return TABLES.get(provider, {}).get(code, "later")


def when_not_delivered(provider: str, code: str, *, taken: bool) -> Action:
    """What to do about a message that failed for good. `taken`: the provider had taken it, so that saying the same again may
    help; where it had not, and the code is one that is tried again, all attempts are over and it will not."""
    known = OURS.get(code) or TABLES.get(provider, {}).get(code)
    if taken:
        return known or "once"
    return "other" if known in (None, "later", "slow", "alarm", "page") else known
