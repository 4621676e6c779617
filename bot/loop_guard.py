"""Loop guard: two programs that answer each other by text come to an end, and a person is never cut off in what they do.

Counted by peer are answers of the last five minutes to texts by which nothing was done: a till that takes payments is never
slowed down. One is idle when it repeats an earlier one, or answers what was not understood. The tenth idle one, and the
thirtieth of all, says instead that we wait five minutes and how to go on by dialling. Until then texts are filed, and nothing
is done and nothing answered. Figures: Twilio stops an application itself at 30 answers to one number in 30 seconds (its error
14107).
"""

import hashlib

from bot.conversation import Conversation

WINDOW_SECONDS = 300
MOST_IDLE = 10
MOST = 30

WAIT = "We got many texts in a row from this phone and do not answer for 5 minutes. To go on now dial {service_code}."


def silent(conversation: Conversation, now: float) -> bool:
    """Whether nothing is answered to this peer now. Moments are seconds since 1970."""
    return now < conversation.silent_until


def full(conversation: Conversation, now: float) -> bool:
    """Whether one more answer is the last, whatever it would be."""
    return len(_recent(conversation, now)) + 1 >= MOST


def may_say(conversation: Conversation, text: str, *, idle: bool, now: float) -> bool:
    """Count an answer that is about to be given. False: it is the tenth idle one, and must not be given.

    `idle` is what is known of it already: that it answers something not understood. None is counted for `text` that says
    nothing.
    """
    digest = hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    recent = _recent(conversation, now)
    idle = idle or any(said == digest for _, said, _ in recent)
    if idle and sum(was_idle for _, _, was_idle in recent) + 1 >= MOST_IDLE:
        return False
    conversation.said = [*recent, (int(now), digest, idle)]
    return True


def close(conversation: Conversation, now: float) -> None:
    """From now on nothing is answered, until the window has passed."""
    conversation.said.clear()
    conversation.silent_until = now + WINDOW_SECONDS


def _recent(conversation: Conversation, now: float) -> list[tuple[int, str, bool]]:
    return [one for one in conversation.said if one[0] > now - WINDOW_SECONDS]
