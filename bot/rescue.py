"""Drop rescue: who was cut off in the middle of something worth saving gets one text, and goes on by text or by dialling.

It is sent when the network says that a dialog was cut, or when nothing came in it for a minute: then no network waits any
longer for an answer (Africa's Talking, help article 1284071: 30 to 60 seconds). What is worth saving, each flow says.
Nothing is sent to who came back meanwhile, finished, wants no such texts, or is not answered just now; and never twice
about the same thing. The place stays where it is, and is one: a dialog that does go on after all goes on from there.
"""

import time
import traceback

import redis
import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot import loop_guard
from bot.conversation import Conversation, Frame
from bot.dialog import Secret
from bot.messages import Inbound, Reply
from bot.parsing import NotUnderstood
from bot.places import opened, unfinished
from bot.services import Services
from bot.showing import GO_ON, GO_ON_BY_DIALLING, Showing
from bot.turn import sealed
from bot.work import AnsweredBefore, Work
from circulation import wishes
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from storage import inbox, outbox
from storage.conversations import Place

IDLE_SECONDS = 60
EVERY_SECONDS = 5.0
BATCH = 100
NAME = "rescue"
"""Under this name the inbox keeps what was offered once."""

log = structlog.get_logger()


class Rescue:
    """The timed part: looks for dialogs in which nothing came for a minute. Works with the rights of the web processes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._next = 0.0

    def __call__(self) -> None:
        """Do what is due, at most every few seconds."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_SECONDS
            self.offer()

    def offer(self) -> int:
        """Offer to go on to everybody who has been silent long enough. Returns to how many."""
        services, before, offered = self._services, time.time() - IDLE_SECONDS, 0
        for person in services.conversations.silent_since(before, limit=BATCH):
            conversation = opened(services, services.conversations.load(person))
            if conversation.phone:
                offered += self._one(conversation)
            services.conversations.hung_up(person, before=before)
        return offered

    def _one(self, conversation: Conversation) -> bool:
        try:
            return rescue(self._services, Msisdn(conversation.phone), conversation.session)
        except (redis.RedisError, OperationalError, PoolTimeout):
            raise  # it stays on the list, for the next round
        except Exception as error:  # noqa: BLE001 - a bug met by one person must not stop the others
            last = traceback.extract_tb(error.__traceback__)[-1]
            log.error("rescue fault", error=type(error).__name__, at=f"{last.filename}:{last.lineno}")
            return False


def rescue_now(services: Services, msisdn: Msisdn, session: str) -> None:
    """As `rescue`, for a provider that told us and asks nothing: when it cannot be done now, the timed part does it."""
    try:
        rescue(services, msisdn, session)
    except (redis.RedisError, OperationalError, PoolTimeout) as error:
        log.warning("rescue put off", error=type(error).__name__)


def rescue(services: Services, msisdn: Msisdn, session: str) -> bool:
    """Offer to go on to this phone, whose dialog or call `session` was cut off. False: there was no need, or no way.

    Raises redis.RedisError, and SQLAlchemy's OperationalError or TimeoutError, when that cannot be known now.
    """
    person = services.seal.pseudonym(msisdn.e164)
    place = services.conversations.load(person)
    conversation = opened(services, place)
    frame = unfinished(services, conversation)
    if frame is None or conversation.shown_on == "sms" or conversation.session != session:
        return False
    if loop_guard.silent(conversation, time.time()):
        return False
    work = Work(services, Inbound(NAME, "sms", frame.id, msisdn, ""), person, place.version)
    try:
        after = _offer(services, conversation, frame, work, place)
    except (AnsweredBefore, Refusal, NotUnderstood) as no_need:
        work.roll_back(no_need)  # offered before, or what it was about has left the person's hands
        return False
    except BaseException as error:
        work.roll_back(error)
        raise
    if after is None:
        work.roll_back(AnsweredBefore(None))
        return False
    work.commit()
    services.conversations.save(person, after, seen=place.version, wake=True)
    return True


def _offer(services: Services, conversation: Conversation, frame: Frame, work: Work, place: Place) -> Place | None:
    """File the text, in the turn's transaction. None: the person is not to be written to, or did something meanwhile."""
    rules, msisdn = services.talk.rules, Msisdn(conversation.phone)
    work.take_in_hand()
    assert work.taken is not None, "it was taken in hand a moment ago"
    if work.taken.version > place.version or not rules.routes.carries("sms", msisdn):
        return None
    provider = rules.routes.first("sms", msisdn, work.member.sms_provider if work.member else None)
    if wishes.declined(work.db, [(msisdn.e164, provider, "reminder")]):
        return None
    by_dialling = isinstance(services.talk.flows[conversation.top.flow].step[conversation.top.step], Secret)
    showing = Showing(services.talk, conversation, work, msisdn, "sms")
    text = showing.unfinished(frame, GO_ON_BY_DIALLING if by_dialling else GO_ON)
    conversation.offer, conversation.shown_at = frame.id, time.time()
    after = Place(place.version + 1, services.seal.seal(conversation.to_bytes()))
    reply = Reply(text, language=conversation.language)
    person = services.seal.pseudonym(msisdn.e164)
    inbox.answer(work.db, NAME, frame.id, person, reply=sealed(services, reply), version=after.version, body=after.body)
    outbox.put(work.db, [outbox.Row(provider, msisdn.e164, "", "{text}", {"text": text}, purpose="answer")])
    return after
