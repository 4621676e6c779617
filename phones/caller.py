"""A telephone call as the product meets it: Twilio's signed forms in, TwiML out, and an ear that follows it.

Promise: what a `Call` sends has the shape that Twilio's requests have, and it does with the answer what Twilio does: it
says what stands in `Say`, waits in `Gather`, goes on to the next verb when nothing is pressed or the hash alone, follows
`Redirect`, and hangs up at `Hangup` or at the end. Whatever else stands in an answer is a fault.

Field names: https://www.twilio.com/docs/voice/twiml#request-parameters and .../docs/voice/answering-machine-detection.
"""

import xml.etree.ElementTree as ET  # what is read here comes from the product itself
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self
from urllib.parse import urlsplit
from uuid import uuid4

from phones.handset import Form, Network, NetworkFault, NoDialog

SAYABLE = 4_096
"""Characters that one Say may hold (Twilio)."""
AnsweredBy = Literal["human", "machine_start", "fax", "unknown"]
Ending = Literal["completed", "busy", "no-answer", "failed", "canceled"]


@dataclass(frozen=True, slots=True)
class Told:
    """What the person heard since they last pressed a key, by which voices, and whether the line is still open."""

    text: str
    languages: tuple[str, ...]
    open: bool


@dataclass(slots=True)
class _Gather:
    """What is listened for now."""

    action: str
    most: int | None
    finish: str


@dataclass(slots=True)
class Call:
    """One call: `caller` is who is not us. One thread at a time, like an ear."""

    network: Network
    caller: str
    ours: bool = False
    sid: str = field(default_factory=lambda: f"CA{uuid4().hex}")
    answered_by: AnsweredBy | None = None
    _gather: _Gather | None = None
    _after: list[ET.Element] = field(default_factory=list)
    _last: Form | None = None

    def dial(self, path: str = "/voice/twilio") -> Told:
        """Ring us; or, in a call of ours, be answered: then `path` is the address we gave. Raises NetworkFault."""
        return self._follow(self._posted(path, {}))

    def press(self, keys: str) -> Told:
        """Press keys, as many as are listened for: the hash ends them where several are. Raises NoDialog, NetworkFault."""
        gather = self._listening()
        digits, hash_, _ = keys.partition(gather.finish)
        digits = digits[: gather.most]
        if not digits:
            return self.wait()
        if not hash_ and gather.most is None:
            raise NetworkFault("several keys are ended by the hash, or by waiting")
        return self._follow(self._posted(gather.action, {"Digits": digits, "FinishedOnKey": gather.finish}))

    def wait(self) -> Told:
        """Press nothing until the time is over. Raises NoDialog, NetworkFault."""
        self._listening()
        self._gather = None
        return self._run(self._after)

    def repeat(self) -> Told:
        """What was posted last comes once more, byte for byte. Raises NoDialog when nothing was, NetworkFault."""
        if self._last is None:
            raise NoDialog("nothing was sent yet")
        return self._follow(self.network.post(self._last))

    def hang_up(self, status_path: str = "/voice/twilio/status", how: Ending = "completed", seconds: int = 30) -> None:
        """The line is cut, which is told at the number's address; of a call of ours, at the one we gave."""
        self._gather = None
        ended = {"CallStatus": how, "CallDuration": str(seconds), "CallbackSource": "call-progress-events"}
        self.network.post(self.network.twilio(status_path, self._fields() | ended))

    @property
    def open(self) -> bool:
        """Whether keys are listened for."""
        return self._gather is not None

    @property
    def one_key(self) -> bool:
        """Whether the next key is the whole answer; else the hash ends it."""
        return self._gather is not None and self._gather.most == 1

    def as_json(self) -> dict[str, Any]:
        """Plain values, from which `known` makes the same call in another process; but `repeat` knows nothing there."""
        return {
            "caller": self.caller,
            "ours": self.ours,
            "sid": self.sid,
            "answered_by": self.answered_by,
            "gather": asdict(self._gather) if self._gather else None,
            "after": [ET.tostring(verb, encoding="unicode") for verb in self._after],
        }

    @classmethod
    def known(cls, network: Network, plain: Mapping[str, Any]) -> Self:
        """The call that `as_json` wrote down."""
        gather = _Gather(**plain["gather"]) if plain["gather"] else None
        after = [ET.fromstring(verb) for verb in plain["after"]]  # noqa: S314
        return cls(network, plain["caller"], plain["ours"], plain["sid"], plain["answered_by"], gather, after)

    def _listening(self) -> _Gather:
        if self._gather is None:
            raise NoDialog("the line is not open")
        return self._gather

    def _posted(self, address: str, more: Mapping[str, str]) -> str:
        split = urlsplit(address)
        path = split.path.removeprefix(urlsplit(self.network.settings.public_base_url).path)
        form = self.network.twilio(f"{path}?{split.query}" if split.query else path, {**self._fields(), **more})
        self._last = form
        return self.network.post(form)

    def _fields(self) -> dict[str, str]:
        settings = self.network.settings
        ends = (settings.twilio_from, self.caller) if self.ours else (self.caller, settings.twilio_from)
        return {
            "CallSid": self.sid,
            "AccountSid": settings.twilio_account_sid,
            "From": ends[0],
            "Caller": ends[0],
            "To": ends[1],
            "Called": ends[1],
            "CallStatus": "in-progress" if self.ours else "ringing",
            "ApiVersion": "2010-04-01",
            "Direction": "outbound-api" if self.ours else "inbound",
            "FromCountry": settings.country,
            "ToCountry": settings.country,
        } | ({"AnsweredBy": self.answered_by} if self.answered_by else {})

    def _follow(self, document: str) -> Told:
        self._gather = None
        root = ET.fromstring(document)  # noqa: S314
        if root.tag != "Response":
            raise NetworkFault("the product did not answer with a Response", 200)
        return self._run(list(root))

    def _run(self, verbs: list[ET.Element]) -> Told:
        heard: list[str] = []
        languages: list[str] = []
        while verbs:
            verb, *verbs = verbs
            match verb.tag:
                case "Say":
                    self._say(verb, heard, languages)
                case "Gather":
                    for inner in verb:
                        self._say(inner, heard, languages)
                    most = verb.get("numDigits")
                    self._gather = _Gather(
                        verb.attrib["action"], int(most) if most else None, verb.attrib["finishOnKey"]
                    )
                    self._after = verbs
                    return Told("\n".join(heard), tuple(languages), open=True)
                case "Redirect":
                    told = self._follow(self._posted(verb.text or "", {}))
                    text = "\n".join([*heard, told.text])
                    return Told(text, (*languages, *told.languages), told.open)
                case "Hangup" | "Reject":
                    break
                case _:
                    raise NetworkFault(f"nobody knows the verb {verb.tag}", 200)
        return Told("\n".join(heard), tuple(languages), open=False)

    def _say(self, verb: ET.Element, heard: list[str], languages: list[str]) -> None:
        text = verb.text or ""
        if verb.tag != "Say" or not text or len(text) > SAYABLE or list(verb):
            raise NetworkFault("a voice cannot say that", 200)
        heard.append(text)
        languages.append(verb.attrib["language"])
