"""Telephone calls: who is calling is found out first, and then the call is one more face of the same conversations.

A number that calls can be forged, so it proves nothing: whoever calls names a phone number and types its PIN. The one
exception is a call of ours: whoever answers it has that phone in their hand, and may hear, take or refuse the gift the
call is about (`flows/called.py`), and nothing else. What is known of a call is sealed, in Redis, until it is over.
"""

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import redis
import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot import parsing
from bot.messages import Heard, Hung, Inbound, Receipt, Reply, Spoken, Unavailable
from bot.parsing import NotUnderstood
from bot.rescue import rescue_now
from bot.services import Services
from bot.turn import FAULT, NOTHING_DONE, take_turn
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from circulation.values import Value

CALL_SECONDS = 4 * 3_600
"""Twilio cuts a call off after this (Calls, TimeLimit). Who is calling is not known any longer."""
MOST_SILENCES = 2
"""So often a question is asked again when no key is pressed; then the call is over."""
MOST_WRONG = 3
"""So often a number and a PIN may be tried in one call."""
HEARD_SECONDS = 10
"""A person who hangs up sooner, without a key, has not heard what the call was about."""

OWN_PHONE, OTHER_LANGUAGE, HOW_IT_WORKS, BACK = "0", "8", "9", "0"

WELCOME = "Welcome to Giftline."
WHO = "Enter your phone number, then hash. If you call from your own phone, enter 0, then hash."
CHOICES = "To hear how it works, enter 9, then hash. Kwa Kiswahili, bonyeza 8, kisha reli."
GREETING = (WELCOME, WHO, CHOICES)
ENTER_PIN = "Enter your PIN, then hash. For another phone number enter 0, then hash."
HOW = (
    "Giftline sells gift certificates. You buy one, give it to a phone number, and that person pays with it in a shop. "
    "To begin, dial {service_code} or send the text BUY, and choose a PIN. With it you can also call."
)
NO_PIN_YET = "If you have no PIN yet, dial {service_code} to choose one."
WITHHELD = "We cannot see your number. Please call with your number shown, or dial {service_code}. Goodbye."
LOST = "Sorry, we lost our place and did not hear that."
NO_KEY = "We heard no key. Call again or dial {service_code} to go on where you stopped. Goodbye."
NO_KEY_HERE = "We heard no key. Dial {service_code} to go on. Goodbye."
GOODBYE = "Goodbye."
FOR_MENU = "For the menu, press 1. Or hang up."
SENTENCES = (*GREETING, ENTER_PIN, HOW, NO_PIN_YET, WITHHELD, LOST, NO_KEY, NO_KEY_HERE, GOODBYE, FOR_MENU)
"""What is said before it is known who calls, and after the last word."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Call:
    """What is known of one call. `person` is who was proven to speak; until then `claimed` is the number they named.

    `since` is the number of the answer with which the conversation began: it counts its own from there. `over`: the
    conversation has said its last word. `key` and `spoken` answer an exact repeat.
    """

    language: str
    person: str = ""
    claimed: str = ""
    wrong: int = 0
    since: int = 0
    over: bool = False
    pressed: bool = False
    key: str = ""
    spoken: Spoken | None = None


class Calls:
    """The calls of one process. Nothing it is given makes it raise: who calls always hears a true sentence."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def hear(self, heard: Heard) -> Spoken:
        """What is said next in a call: when it begins, after keys, and after a silence. Exact repeats hear the same again."""
        call = _Call(self._services.catalogue.default)
        try:
            call = self._load(heard.call) or call
            key = f"{heard.turn}:{self._digest(heard.keys)}:{heard.silences}"
            if call.key == key and call.spoken is not None:
                return call.spoken
            after = self._answer(call, heard)
        except Unavailable as unavailable:
            return Spoken(unavailable.sentence, call.language, "over")
        except (redis.RedisError, OperationalError, PoolTimeout) as error:
            log.error("call.unavailable", error=type(error).__name__)
            return self._over(call, NOTHING_DONE)
        except Exception as error:  # noqa: BLE001 - a fault of ours: who calls is told, the operator alerted
            last = traceback.extract_tb(error.__traceback__)[-1]
            log.error("call.fault", error=type(error).__name__, at=f"{last.filename}:{last.lineno}")
            return self._over(call, FAULT)
        self._save(heard.call, replace(after, key=key, pressed=call.pressed or bool(heard.keys)))
        assert after.spoken is not None, "every answer says something"
        return after.spoken

    def ended(self, hung: Hung) -> Receipt | None:
        """A call is over. Of one to us: who was cut off in the middle of something is offered to go on. Of one of ours: what
        it came to, delivered when a person has heard it, whatever they answered."""
        known = self._recalled(hung.call)
        if not hung.outbox_id:
            if known and known.person:
                rescue_now(self._services, Msisdn(known.person), hung.call)
            return None
        if hung.how != "completed":
            code: str = hung.how
        elif hung.machine:
            code = "machine"
        elif (known and known.pressed) or (hung.human and hung.seconds >= HEARD_SECONDS):
            return Receipt(hung.provider, hung.call, hung.outbox_id, "delivered")
        else:
            code = "hung-up"
        return Receipt(hung.provider, hung.call, hung.outbox_id, "undelivered", code)

    # Who is it? -------------------------------------------------------------------------------------------------------
    def _answer(self, call: _Call, heard: Heard) -> _Call:
        if heard.phone is None:
            return self._say(call, heard, WITHHELD, over=True)
        if heard.silences > MOST_SILENCES or (heard.silences and call.over):
            no_key = NO_KEY_HERE if heard.ours else NO_KEY
            return self._say(call, heard, GOODBYE if call.over else no_key, over=True)
        if heard.ours and not call.person:
            call = replace(call, person=heard.phone.e164, since=heard.turn)
            return self._talk(call, heard, keys="")
        if call.person:
            return self._talk(call, heard, keys=heard.keys)
        if heard.turn == 0 or not heard.keys:
            return self._say(call, heard, *((ENTER_PIN,) if call.claimed else GREETING))
        if call.key == "":  # keys of a call that we know nothing of: Redis was lost
            return self._say(call, heard, LOST, WHO)
        return self._hear_pin(call, heard) if call.claimed else self._hear_number(call, heard, heard.phone)

    def _hear_number(self, call: _Call, heard: Heard, phone: Msisdn) -> _Call:
        if heard.keys == HOW_IT_WORKS:
            return self._say(call, heard, HOW, WHO)
        if heard.keys == OTHER_LANGUAGE:
            languages = self._services.catalogue.languages
            after = languages[(languages.index(call.language) + 1) % len(languages)]
            return self._say(replace(call, language=after), heard, *GREETING)
        if heard.keys == OWN_PHONE:
            claimed = phone
        else:
            try:
                claimed = parsing.msisdn(heard.keys, self._services.settings.country)
            except NotUnderstood as slip:
                return self._say(call, heard, slip.sentence, WHO, holes=slip.holes)
        return self._say(replace(call, claimed=claimed.e164), heard, ENTER_PIN)

    def _hear_pin(self, call: _Call, heard: Heard) -> _Call:
        assert heard.phone is not None, "who withholds their number gets no further than that"
        if heard.keys == BACK:
            return self._say(replace(call, claimed=""), heard, WHO)
        try:
            typed = parsing.pin_entry(heard.keys)
            self._services.talk.rules.pins.check_caller(heard.phone, Msisdn(call.claimed), typed)
        except NotUnderstood as slip:
            return self._say(call, heard, slip.sentence, ENTER_PIN, holes=slip.holes)
        except Refusal as refusal:
            call = replace(call, claimed="", wrong=call.wrong + 1)
            if refusal.code == "locked" or call.wrong >= MOST_WRONG:
                return self._say(call, heard, refusal.sentence, NO_PIN_YET, GOODBYE, holes=refusal.holes, over=True)
            return self._say(call, heard, refusal.sentence, NO_PIN_YET, WHO, holes=refusal.holes)
        return self._talk(replace(call, person=call.claimed, since=heard.turn), heard, keys="")

    # The conversation -------------------------------------------------------------------------------------------------
    def _talk(self, call: _Call, heard: Heard, *, keys: str) -> _Call:
        turn = heard.turn - call.since
        key = f"{heard.call}:{turn}:{self._digest(keys)}"
        reply = take_turn(
            self._services,
            Inbound(
                provider=heard.provider,
                channel="voice",
                key=f"{key}:{heard.silences}" if heard.silences else key,
                msisdn=Msisdn(call.person),
                text=keys,
                session=heard.call,
                turn=turn,
                called=heard.ours,
            ),
        )
        return self._told(replace(call, language=reply.language or call.language), heard, reply)

    def _told(self, call: _Call, heard: Heard, reply: Reply) -> _Call:
        if reply.more:
            spoken = self._next(call, heard, reply.text, "key" if reply.one_key else "keys")
            return replace(call, spoken=spoken, over=False)
        if heard.ours:
            return replace(call, spoken=Spoken(f"{reply.text} {self._said(call, GOODBYE)}", call.language, "over"))
        spoken = self._next(call, heard, f"{reply.text}\n{self._said(call, FOR_MENU)}", "key")
        return replace(call, spoken=spoken, over=True)

    # Saying -----------------------------------------------------------------------------------------------------------
    def _say(
        self, call: _Call, heard: Heard, *sentences: str, holes: Mapping[str, Value] | None = None, over: bool = False
    ) -> _Call:
        text = " ".join(self._said(call, sentence, holes) for sentence in sentences)
        if over:
            return replace(call, spoken=Spoken(text, call.language, "over"))
        return replace(call, spoken=self._next(call, heard, text, "keys"))

    def _next(self, call: _Call, heard: Heard, text: str, then: Literal["key", "keys"]) -> Spoken:
        """After a silence the same answer is waited for, after keys the next one."""
        turn = heard.turn if heard.silences else heard.turn + 1
        return Spoken(text, call.language, then, turn, heard.silences)

    def _said(self, call: _Call, sentence: str, holes: Mapping[str, Value] | None = None) -> str:
        known = {"service_code": self._services.settings.service_code, **(holes or {})}
        return self._services.catalogue.say(call.language, sentence, known, aloud=True)

    def _over(self, call: _Call, sentence: str) -> Spoken:
        return Spoken(self._said(call, sentence), call.language, "over")

    # Remembering ------------------------------------------------------------------------------------------------------
    def _digest(self, keys: str) -> str:
        """Keys may be a PIN: only a keyed digest of them is kept."""
        return self._services.seal.pseudonym(keys).hex() if keys else ""

    def _name(self, call: str) -> str:
        return f"call:{self._services.seal.pseudonym(call).hex()}"

    def _load(self, call: str) -> _Call | None:
        body = self._services.redis.get(self._name(call))
        if not isinstance(body, bytes):
            return None
        try:
            plain = json.loads(self._services.seal.open(body))
        except InvalidTag:
            log.warning("call.unreadable")
            return None
        spoken = plain.pop("spoken")
        return _Call(**plain, spoken=Spoken(**spoken))

    def _save(self, call: str, known: _Call) -> None:
        """What was done is done, and is said whatever Redis says: at worst we ask again who is calling."""
        body = self._services.seal.seal(json.dumps(asdict(known)).encode())
        try:
            self._services.redis.set(self._name(call), body, ex=CALL_SECONDS)
        except redis.RedisError as error:
            log.warning("call.not_saved", error=type(error).__name__)

    def _recalled(self, call: str) -> _Call | None:
        """What is known of a call that is over; without Redis nothing, which the ladder of notices can live with."""
        try:
            return self._load(call)
        except redis.RedisError as error:
            log.warning("call.not_recalled", error=type(error).__name__)
            return None
