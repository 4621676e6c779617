"""Wishes about texts are heeded before anything else is heard: STOP and its like, START, from whoever and wherever they are.

Only a word that stands alone counts, and it counts also where words of one's own were asked for: carriers read it so, and
who types it by mistake is told what stopped and how to undo it. Where the provider obeyed it already and answers by itself,
it is noted and nothing is said.
"""

from sqlalchemy import Connection

from bot.conversation import Conversation
from bot.keywords import declines, wants_again
from bot.messages import Inbound, Reply
from bot.places import unfinished
from bot.services import Services
from bot.showing import DROPPED
from circulation import wishes
from circulation.wishes import Purpose

STOPPED: dict[Purpose, str] = {
    "all": (
        "We no longer text you about gifts of others, and send no reminders. Gifts still wait when you dial {service_code}. "
        "What you ask, and receipts for your own money, are still answered. To undo this text START."
    ),
    "gift": (
        "We no longer text you about gifts of others. They still wait when you dial {service_code}. To undo this text START."
    ),
    "reminder": "We send you no more reminders. To undo this text START.",
}
STARTED = "You get our texts about gifts of others and our reminders again. To end them text STOP."
SENTENCES = (*STOPPED.values(), STARTED)


def heed(services: Services, db: Connection, conversation: Conversation, message: Inbound) -> Reply | None:
    """What a text that is such a wish is answered (nothing: an empty reply). None: it is none, and is heard as any other.

    `db` is the transaction of the turn. STOP also ends whatever was going on: nothing of it was done.
    """
    phone, language, say = message.msisdn, conversation.language, services.catalogue.say
    purpose: Purpose | None = "all" if message.wish == "stop" else declines(message.text)
    if purpose:
        wishes.stop(db, phone.e164, message.provider, purpose)
        told = [say(language, STOPPED[purpose], {"service_code": services.talk.rules.service_code})]
        if purpose == "all":
            told += [say(language, DROPPED, {})] if unfinished(services, conversation) else []
            conversation.frames.clear()
            conversation.pages.clear()
        return Reply("" if message.wish else " ".join(told), language=language)
    if message.wish == "start" or wants_again(message.text):
        restored = wishes.start(db, phone, message.provider, language)
        answered = message.wish == "start" and ("all" in restored or not message.text)
        if answered:
            return Reply("", language=language)
        if restored:
            return Reply(say(language, STARTED, {}), language=language)
    return None
