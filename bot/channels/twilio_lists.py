"""What Twilio lists of itself: what it took of us, when it did not say so, and what came to us, when its webhook did not.

Source: Twilio's OpenAPI description, ListMessage and ListCall. A list has the newest first. `DateSent` is given by the day, as
documented, and the rest is chosen here; it is left out when looking for what we sent, which has none while it waits.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from twilio.rest import Client

from bot.messages import Outbound, Sent

PAGE = 1000
"""The most that Twilio gives at once."""
MARGIN = timedelta(minutes=2)
"""Its clock and ours, and the time a request takes, may differ by so much."""


def taken(client: Client, message: Outbound, sender: str, since: float) -> list[Sent]:
    """The messages or calls by `sender` since then that may be this one, oldest first."""
    earliest = datetime.fromtimestamp(since, UTC) - MARGIN
    kind: Any = client.calls if message.form == "voice" else client.messages
    found = kind.list(to=message.msisdn.e164, from_=sender, limit=PAGE, page_size=PAGE)
    return [
        Sent(str(one.sid))
        for one in reversed(found)
        if one.date_created >= earliest
        and one.direction == "outbound-api"
        and (message.form == "voice" or one.body == message.text)
    ]


def arrived(client: Client, to: str, since: datetime) -> Sequence[Any]:
    """The messages to our number since then, oldest first, as the client has them."""
    return list(reversed(list(_newest_first(client, to, since))))


def _newest_first(client: Client, to: str, since: datetime) -> Iterator[Any]:
    day = datetime.combine(since.astimezone(UTC).date(), time(), UTC)
    for one in client.messages.stream(to=to, date_sent_after=day, page_size=PAGE):
        if one.date_sent is not None and one.date_sent < since:
            return
        if one.direction == "inbound":
            yield one
