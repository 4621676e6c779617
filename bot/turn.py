"""take_turn: one message in, one reply out, and whatever it moves moved exactly once.

The order of every turn: SQL commit, then Redis, then the answer. A text, and a USSD or voice turn that moves value, is
filed in the inbox by the transaction of its effect; one that only looks is recognised, when repeated, by the
conversation itself. What is heard is decided here; what it means, in `bot.talk` and the flows.
"""

import json
import random
import time
import traceback
from dataclasses import astuple, dataclass, replace
from functools import partial

import redis
import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.conversation import Conversation
from bot.loop_guard import MOST_IDLE, WINDOW_SECONDS
from bot.messages import Inbound, Reply, Unavailable
from bot.places import opened, unfinished
from bot.services import Services
from bot.talk import Attempt, Talk
from bot.texting import answer_text
from bot.work import AnsweredBefore, CommitUnknown, Stale, Work
from circulation import members
from circulation.refusals import Refusal
from storage import inbox, outbox
from storage.conversations import Place
from storage.database import may_try_again

log = structlog.get_logger()

TRIES = 5
"""How often a turn is run again because of another beside it."""

NOTHING_DONE = "Sorry, we cannot answer now. Nothing was charged and nothing was sent. Please try again in a minute."
NOT_KNOWN = "Sorry, we lost the line while it was being done. Dial again in a minute to see how it ended."
FAULT = "Sorry, something went wrong on our side. Nothing was charged and nothing was sent. Please try again."
SENTENCES = (NOTHING_DONE, NOT_KNOWN, FAULT)


def take_turn(services: Services, message: Inbound) -> Reply:
    """Answer one message. Exactly one effect however often the same message comes.

    Raises Unavailable, with what may truthfully be said, when PostgreSQL or Redis cannot be reached.
    """
    if message.called:  # a call of ours has a place of its own: where the person stands otherwise is not disturbed
        person, services = services.seal.pseudonym(message.session), replace(services, talk=services.called)
    else:
        person = services.seal.pseudonym(message.msisdn.e164)
    attempt = Attempt()
    floor = Place(0, b"")
    for count in range(TRIES):
        try:
            return _Turn(services, message, person, attempt, floor).take()
        except AnsweredBefore as before:
            return _reply_from(services, before.sealed)
        except Stale as stale:
            floor = stale.newer or floor
        except Refusal as refusal:
            attempt.refusal = refusal
        except CommitUnknown as unknown:
            return _look_up(services, message, person, attempt, unknown)
        except (redis.RedisError, OperationalError, PoolTimeout) as error:
            if not may_try_again(error):
                log.error("turn.unavailable", error=type(error).__name__)
                raise _unavailable(services, attempt) from error
            time.sleep(random.uniform(0, 0.02 * (count + 1)))  # noqa: S311 - only to let another turn pass
        except Exception as error:  # noqa: BLE001 - a fault of ours: the person is told, the operator alerted
            return _apologise(services, message, person, attempt, error)
    raise _unavailable(services, attempt)


def _unavailable(services: Services, attempt: Attempt, sentence: str = NOTHING_DONE) -> Unavailable:
    return Unavailable(services.catalogue.say(attempt.language, sentence, {}))


def _apologise(services: Services, message: Inbound, person: bytes, attempt: Attempt, error: Exception) -> Reply:
    """A fault: everything was rolled back. The person is told, once; the place stays; the operator is alerted."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    places = [f"{frame.filename}:{frame.lineno}" for frame in frames[-4:]]
    log.error("turn.fault", error=type(error).__name__, at=places)
    reply = Reply(services.catalogue.say(attempt.language, FAULT, {}), language=attempt.language)
    if message.channel != "sms":
        return reply
    try:
        with services.database.begin() as db:
            taken = inbox.take(db, message.provider, message.key, person)
            if taken.fresh:
                if services.conversations.faulted(person, seconds=WINDOW_SECONDS) > MOST_IDLE:
                    reply = replace(reply, text="")  # it was said often enough to whoever goes on and on
                else:
                    outbox.put(db, [_as_text(message, reply)])
                key = (message.provider, message.key, person)
                inbox.answer(db, *key, reply=sealed(services, reply), version=taken.version, body=taken.body)
    except (redis.RedisError, OperationalError, PoolTimeout) as unreachable:
        raise _unavailable(services, attempt) from unreachable
    return reply


def _look_up(services: Services, message: Inbound, person: bytes, attempt: Attempt, unknown: CommitUnknown) -> Reply:
    """Whether the broken commit was done is a fact to be read, not guessed; taking the message waits until it is one."""
    try:
        with services.database.begin() as db:
            taken = inbox.take(db, message.provider, message.key, person)
            if taken.fresh:
                raise _unavailable(services, attempt) from unknown  # and what was taken just now is rolled back
    except (DBAPIError, PoolTimeout) as error:
        raise _unavailable(services, attempt, NOT_KNOWN) from error
    return _reply_from(services, taken.reply)


def _reply_from(services: Services, sealed: bytes | None) -> Reply:
    """What was answered before. Raises Unavailable when it cannot be read any more (the key was changed)."""
    try:
        return Reply(*json.loads(services.seal.open(sealed or b"")))
    except InvalidTag as error:
        raise Unavailable(NOT_KNOWN) from error


def sealed(services: Services, reply: Reply) -> bytes:
    """A reply as the inbox keeps it."""
    return services.seal.seal(json.dumps(astuple(reply)).encode())


def _as_text(message: Inbound, reply: Reply) -> outbox.Row:
    """The answer to a text is a text by the same provider; its words are filled in already."""
    holes = {"text": reply.text}
    return outbox.Row(message.provider, message.msisdn.e164, "", "{text}", holes, reply.secret, purpose="answer")


@dataclass
class _Turn:
    """One run of a turn over the place as it is now."""

    services: Services
    message: Inbound
    person: bytes
    attempt: Attempt
    floor: Place

    def take(self) -> Reply:
        place = self.services.conversations.load(self.person)
        work = Work(self.services, self.message, self.person, max(place.version, self.floor.version))
        try:
            if self.message.channel == "sms":
                work.take_in_hand()
            newest = self._newest(place, work)
            conversation = opened(self.services, newest)
            if conversation.last_key == self.message.key:
                work.commit()
                return conversation.last_reply
            conversation, reply = self._talk(conversation, work, newest, lost=newest is not place)
            conversation.last_key, conversation.last_reply = self.message.key, reply
            conversation.phone = self.message.msisdn.e164
            if self.message.channel == "sms":
                self._reached(conversation, work)
            after = Place(newest.version + 1, self.services.seal.seal(conversation.to_bytes()))
            if work.taken is not None:
                self._file(work, reply, after)
        except BaseException as error:
            work.roll_back(error)
            raise
        work.commit()
        dialling = self.message.channel == "ussd" and reply.more and unfinished(self.services, conversation) is not None
        self._remember(after, seen=place.version, committed=work.taken is not None, dialling=dialling)
        return reply

    def _newest(self, place: Place, work: Work) -> Place:
        """The place from Redis, or from SQL where that is newer: Redis was lost, or a crash came before it was told."""
        if work.taken is not None:
            return Place(work.taken.version, work.taken.body) if work.taken.version > place.version else place
        if self.floor.version > place.version:
            return self.floor
        if place.version == 0:
            self._answered_long_ago(work)
        if place.version == 0 or not self.message.text:  # who dials anew may come because a crash took their answer
            known = inbox.place(work.db, self.person)
            return Place(*known) if known and known[0] > place.version else place
        return place

    def _talk(self, conversation: Conversation, work: Work, newest: Place, *, lost: bool) -> tuple[Conversation, Reply]:
        talk = Talk(self.services.talk, conversation, work, self.message.msisdn, self.message.channel, self.attempt)
        if self.message.channel == "sms":
            again = partial(opened, self.services, newest)
            return answer_text(self.services, work.db, talk, conversation, self.message, again)
        hear = self._hear_call if self.message.channel == "voice" else self._hear_dialog
        hear(conversation, work, talk, lost=lost)
        return conversation, talk.reply()

    def _hear_dialog(self, conversation: Conversation, work: Work, talk: Talk, *, lost: bool) -> None:
        """What is new in the transcript is heard as the answer to the screen shown last in this session."""
        message = self.message
        text = message.text
        same = conversation.session == message.session
        if same and not lost and len(text) < conversation.heard:
            self._answered_long_ago(work)
            talk.show_again()  # a turn of this dialog come late: it goes on from where it was
            return
        new = self._new_input(conversation) if same else None
        conversation.session = message.session
        if not text:
            talk.dial()
        elif new is not None and not lost and conversation.shown_on == "ussd":
            talk.hear(new)
        else:
            self._answered_long_ago(work)
            # divergent, or an answer to a screen that is no longer the last one shown, or to one we do not remember
            (talk.show_again if same and not lost else talk.lost_place)()
        conversation.heard, conversation.digest = len(text), self._digest(text)

    def _hear_call(self, conversation: Conversation, work: Work, talk: Talk, *, lost: bool) -> None:
        """Keys are heard as the next answer to the screen that was said last in this call. A silence hears it again."""
        message, heard = self.message, conversation.heard
        same = conversation.session == message.session and not lost
        conversation.session, conversation.heard = message.session, message.turn
        if message.turn == 0:
            talk.dial()
        elif same and message.text and message.turn == heard + 1 and conversation.shown_on == "voice":
            talk.hear(message.text)
        else:
            self._answered_long_ago(work)
            (talk.show_again if same else talk.lost_place)()
            if not message.text:
                conversation.heard = message.turn - 1

    def _reached(self, conversation: Conversation, work: Work) -> None:
        """Notices go to this person by the provider of their last text; SQL is told when it is another."""
        provider = self.message.provider
        if conversation.texts_by != provider and members.reached_by(work.db, self.message.msisdn, provider):
            conversation.texts_by = provider

    def _answered_long_ago(self, work: Work) -> None:
        """A late repeat of a turn that moved value is answered as it was then."""
        sealed = inbox.answered(work.db, self.message.provider, self.message.key)
        if sealed is not None:
            raise AnsweredBefore(sealed)

    def _new_input(self, conversation: Conversation) -> str | None:
        """What was typed since the last turn of this session; None when the transcript does not go on from it."""
        text, heard = self.message.text, conversation.heard
        if self._digest(text[:heard]) != conversation.digest or len(text) <= heard:
            return None
        if heard == 0:
            return text
        return text[heard + 1 :] if text[heard] == "*" else None

    def _digest(self, text: str) -> str:
        """Transcripts hold PINs: only a keyed digest of them is kept."""
        return self.services.seal.pseudonym(text).hex()

    def _file(self, work: Work, reply: Reply, after: Place) -> None:
        """The reply, the place and (for a text) the answer to be sent are part of the effect's transaction."""
        message = self.message
        inbox.answer(
            work.db,
            message.provider,
            message.key,
            self.person,
            reply=sealed(self.services, reply),
            version=after.version,
            body=after.body,
        )
        if message.channel == "sms" and reply.text:
            outbox.put(work.db, [_as_text(message, reply)])

    def _remember(self, after: Place, *, seen: int, committed: bool, dialling: bool) -> None:
        """Tell Redis. After a commit the reply stands whatever Redis says: SQL knows the place as well."""
        try:
            saved = self.services.conversations.save(
                self.person,
                after,
                seen=seen,
                force=committed,
                wake=committed,
                dialling_at=time.time() if dialling else 0,
            )
        except redis.RedisError as error:
            if not committed:
                raise
            log.warning("turn.place_not_saved", error=type(error).__name__)
        else:
            if not saved:
                raise Stale
