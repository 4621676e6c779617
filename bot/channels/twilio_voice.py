"""Twilio Voice: what comes from calls (signed), what is said and listened for in them (TwiML), and how they ended.

Sources: Twilio's "TwiML for Programmable Voice" (Gather, Say, Redirect), "Call resource", "Answering machine detection"
and "Track outbound calls with status callbacks".
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from twilio.twiml.voice_response import Gather, Say, VoiceResponse

from bot.channels import Forged, Form, Malformed
from bot.channels.twilio import CALL_SID, NAME, Twilio, times_signed
from bot.config import Settings
from bot.messages import Heard, Hung, Spoken
from circulation.msisdn import from_provider

TURN_PATH = "/voice/twilio/turn"

KEY_SECONDS = 7
"""So long a single key is waited for."""
KEYS_SECONDS = 10
"""So long the next of several keys is waited for: who types a phone number looks for it."""

ENDS = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_KEYS = re.compile(r"[0-9*#]{1,64}")
_COUNT = re.compile(r"[0-9]{1,4}")
_ROW = re.compile(r"[1-9][0-9]{0,17}")


class TwilioVoice:
    """The calls of the Twilio account that the settings name. Safe to use from several threads."""

    def __init__(self, settings: Settings, account: Twilio) -> None:
        self._account = account
        self._public_base_url = settings.public_base_url
        self._voices = {
            language: (tag, voice) for language, tag, voice in (entry.split() for entry in settings.voices.split(";"))
        }
        self._first = next(iter(self._voices.values()))

    def hear(self, path_and_query: str, form: Form, signature: str | None) -> Heard:
        """What Twilio posted from a call. Raises Forged, Malformed."""
        call, row = self._verified(path_and_query, form, signature)
        query = parse_qs(urlsplit(path_and_query).query)
        ours = form.get("Direction", "").startswith("outbound")
        other_end = form.get("To" if ours else "From", "")
        keys = form.get("Digits", "")
        return Heard(
            provider=NAME,
            call=call,
            phone=from_provider(other_end) if _E164.fullmatch(other_end) else None,
            ours=ours,
            keys=keys.rstrip("#") if _KEYS.fullmatch(keys) else "",
            turn=_count(query, "n"),
            silences=_count(query, "silent"),
            outbox_id=row,
            machine=_by_machine(form),
        )

    def hung(self, path_and_query: str, form: Form, signature: str | None) -> Hung | None:
        """How a call ended; None while it goes on. Raises Forged, Malformed."""
        call, row = self._verified(path_and_query, form, signature)
        how = form.get("CallStatus", "")
        if how not in ENDS:
            return None
        seconds = form.get("CallDuration", "")
        return Hung(
            provider=NAME,
            call=call,
            outbox_id=row,
            how=how,  # type: ignore[arg-type]  # it is one of ENDS
            seconds=int(seconds) if _COUNT.fullmatch(seconds) else 0,
            machine=_by_machine(form),
            human=form.get("AnsweredBy", "human") == "human",
        )

    def render(self, spoken: Spoken) -> str:
        """What is said, as TwiML: nothing but its words is taken from it, and they are escaped."""
        response = VoiceResponse()
        if spoken.then == "over":
            if spoken.text:
                response.append(self._say(spoken))
            response.hangup()
            return str(response)
        action = f"{self._public_base_url}{TURN_PATH}?n={spoken.turn}"
        gather = Gather(
            input="dtmf",
            action=action,
            method="POST",
            timeout=KEY_SECONDS if spoken.then == "key" else KEYS_SECONDS,
            num_digits=1 if spoken.then == "key" else None,
            finish_on_key="#",
        )
        gather.append(self._say(spoken))
        response.append(gather)
        # nothing was pressed, or the hash alone: Twilio goes on with the next verb
        response.redirect(f"{action}&silent={spoken.silences + 1}", method="POST")
        return str(response)

    def reject(self) -> str:
        """The answer to a call where nobody takes calls: it costs the caller nothing."""
        response = VoiceResponse()
        response.reject()
        return str(response)

    def _say(self, spoken: Spoken) -> Say:
        tag, voice = self._voices.get(spoken.language, self._first)
        return Say(spoken.text, language=tag, voice=voice)

    def _verified(self, path_and_query: str, form: Form, signature: str | None) -> tuple[str, int]:
        """The call's name, and our outbox row that is its cause (0: none). Raises Forged, Malformed."""
        self._account.verify(path_and_query, form, signature)
        if times_signed(form, "To+") > 1:  # in a call of ours, To is who may answer
            raise Forged
        call = form.get("CallSid", "")
        if not CALL_SID.fullmatch(call):
            raise Malformed("CallSid is missing or is no call's SID.")
        row = parse_qs(urlsplit(path_and_query).query).get("id", [""])[0]
        return call, int(row) if _ROW.fullmatch(row) else 0


def _by_machine(form: Form) -> bool:
    """Whether Twilio heard an answering machine or a fax. Where it could not tell, somebody may be listening."""
    return form.get("AnsweredBy", "").startswith(("machine", "fax"))


def _count(query: Mapping[str, list[str]], name: str) -> int:
    value = query.get(name, [""])[0]
    return int(value) if _COUNT.fullmatch(value) else 0
