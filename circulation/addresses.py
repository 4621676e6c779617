"""Where a message goes: a phone, or a mailbox. Both are kept as one text, of which the sign in every mail address tells which."""

from circulation.email_address import Email
from circulation.msisdn import Msisdn

Address = Msisdn | Email


def read(address: str) -> Address:
    """What was kept: E.164, or an e-mail address. Raises ValueError for a text without @ that is no E.164 number."""
    return Email(address) if "@" in address else Msisdn(address)
