"""A text is heard: wishes about texts first, and nobody is answered in a circle. What a text means otherwise, in `bot.talk`."""

import time
from collections.abc import Callable

from sqlalchemy import Connection

from bot import loop_guard
from bot.conversation import Conversation
from bot.heeding import heed
from bot.messages import Inbound, Reply
from bot.services import Services
from bot.talk import Talk


def answer_text(
    services: Services,
    db: Connection,
    talk: Talk,
    conversation: Conversation,
    message: Inbound,
    again: Callable[[], Conversation],
) -> tuple[Conversation, Reply]:
    """The place after this text, and its answer; an empty one is not sent. `talk` is over `conversation`, the
    place as it is now.

    `again` gives that place once more: what is not answered was not heard. Nothing is done without an answer.
    """
    now, rules = time.time(), services.talk.rules
    wish = heed(services, db, conversation, message)
    if loop_guard.silent(conversation, now):
        return conversation, Reply("", language=conversation.language)
    if not loop_guard.full(conversation, now):
        if wish is None:
            talk.hear(message.text)
        reply = talk.reply() if wish is None else wish
        idle = wish is None and not talk.understood
        if not reply.text or talk.acted or loop_guard.may_say(conversation, reply.text, idle=idle, now=now):
            return conversation, reply
    before = conversation if wish else again()
    loop_guard.close(before, now)
    last = services.catalogue.say(conversation.language, loop_guard.WAIT, {"service_code": rules.service_code})
    return before, Reply(last, language=conversation.language)
