"""Twilio's and Africa's Talking's sending APIs, on a real HTTP server of our own that can be told to misbehave.

Each checks what the real one checks (credentials, exactly the fields that are documented), answers in its shape, and
remembers the texts it took. Answers filed with `will_answer` are given to the next requests, in order.
"""

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode

from bot.config import DEVELOPMENT_SECRETS

ACCOUNT = DEVELOPMENT_SECRETS["twilio_account_sid"]
TWILIO_PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
TWILIO_FIELDS = {"To", "From", "Body", "StatusCallback"}
TWILIO_MAY = {"MediaUrl"}
CALLS_PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json"
CALL_FIELDS = {"To", "From", "Url", "StatusCallback", "MachineDetection", "Timeout", "TimeLimit"}
LIST_PAGE = 20
"""The most that a page of a list holds here, so that tests see several."""
AFRICASTALKING_PATH = "/version1/messaging"
AFRICASTALKING_FIELDS = {"username", "to", "message"}


@dataclass(frozen=True, slots=True)
class TakenText:
    """A text that a fake provider took, and the name it gave it."""

    provider: str
    provider_id: str
    to: str
    text: str
    form: Mapping[str, str]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def media(self) -> list[str]:
        """The addresses of what goes with it."""
        return [url for url in self.form.get("MediaUrl", "").split("\0") if url]


@dataclass(frozen=True, slots=True)
class TakenCall:
    """A call that the fake Twilio was asked to make, and the name it gave it."""

    sid: str
    to: str
    form: Mapping[str, str]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Arrived:
    """A text to us, of which a fake provider may have told our webhook, or not."""

    provider: str
    key: str
    sender: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What a fake provider does instead of its duty. `taken`: it takes the text all the same. `hangs_up`: no answer."""

    status: int = 500
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_seconds: float = 0
    taken: bool = False
    hangs_up: bool = False


BROKEN = Answer(500, {"message": "oops"})
HANGS_UP = Answer(hangs_up=True)


def throttled(seconds: int) -> Answer:
    """429 with a Retry-After, as both providers answer when texts come too fast."""
    return Answer(429, {"code": 20429, "message": "Too Many Requests"}, {"Retry-After": str(seconds)})


def twilio_error(code: int, status: int = 400) -> Answer:
    """One of Twilio's error codes. Its sentences quote the phone's number."""
    return Answer(status, {"code": code, "message": "The 'To' number +254712345678 is not ...", "status": status})


def africastalking_code(code: int, message_id: str = "None") -> Answer:
    """A statusCode of Africa's Talking, which comes with a 201 whatever it says."""
    recipient = {
        "statusCode": code,
        "number": "+254712345678",
        "status": "...",
        "messageId": message_id,
        "cost": "0",
    }
    return Answer(201, {"SMSMessageData": {"Message": "Sent to 0/1", "Recipients": [recipient]}})


class FakeProviders:
    """`with FakeProviders() as providers:` serves both providers at `providers.url`. Credentials: the development ones."""

    def __init__(self) -> None:
        self.texts: list[TakenText] = []
        self.calls: list[TakenCall] = []
        self.arrived: list[Arrived] = []
        self.requests = 0
        self._answers: deque[Answer] = deque()
        self._refusals: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def will_answer(self, *answers: Answer) -> None:
        """The next requests get these answers."""
        self._answers.extend(answers)

    def will_refuse(self, e164: str, answer: Answer) -> None:
        """The next message to this phone gets this answer."""
        self._refusals[e164] = answer

    def to(self, e164: str) -> list[str]:
        """The texts taken for one phone, in order."""
        return [text.text for text in self.texts if text.to == e164]

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """What the server answers to one request."""
        with self._lock:
            self.requests += 1
            scripted = self._answers.popleft() if self._answers else None
            if method == "GET":
                return scripted or self._list(path, headers)
            form = _form(body)
            refused = _refused_by_contract(path, headers, form) or self._refusals.pop(form.get("To", ""), None)
            if refused or (scripted and not scripted.taken):
                return refused or scripted or BROKEN
            taken = self._take(path, form)
            return scripted or taken

    def _list(self, target: str, headers: Mapping[str, str]) -> Answer:
        path, _, query = target.partition("?")
        asked = _form(query.encode())
        if refused := _not_authorised(path, headers):
            return refused
        if path == AFRICASTALKING_PATH:
            after = int(asked["lastReceivedId"])
            came = [a for a in self.arrived if a.provider == "africastalking" and int(a.key) > after]
            entries = [
                {
                    "linkId": "",
                    "text": a.text,
                    "to": "22141",
                    "id": int(a.key),
                    "date": a.at.isoformat(),
                    "from": a.sender,
                }
                for a in came
            ]
            return Answer(200, {"SMSMessageData": {"Messages": entries[:LIST_PAGE]}})
        kind = "calls" if path == CALLS_PATH else "messages"
        found = [entry for entry in reversed(list(self._entries(kind))) if _fits(entry, asked)]
        found.sort(key=lambda entry: parsedate_to_datetime(entry["date_created"]), reverse=True)
        first, size = int(asked.get("Page", "0")) * LIST_PAGE, min(LIST_PAGE, int(asked.get("PageSize", "50")))
        more = f"{path}?{urlencode({**asked, 'Page': first // LIST_PAGE + 1})}" if len(found) > first + size else None
        return Answer(200, {kind: found[first : first + size], "next_page_uri": more, "page": 0, "page_size": size})

    def _entries(self, kind: str) -> Iterator[dict[str, Any]]:
        """What the fake Twilio lists, in its words."""
        if kind == "calls":
            for call in self.calls:
                yield _entry(call.sid, call.to, call.form["From"], "", "outbound-api", call.at)
            return
        for text in self.texts:
            if text.provider == "twilio":
                yield _entry(text.provider_id, text.to, text.form["From"], text.text, "outbound-api", text.at)
        for came in self.arrived:
            if came.provider == "twilio":
                yield _entry(came.key, DEVELOPMENT_SECRETS["twilio_from"], came.sender, came.text, "inbound", came.at)

    def _take(self, path: str, form: Mapping[str, str]) -> Answer:
        number = len(self.texts) + 1
        if path == TWILIO_PATH:
            sid = f"SM{number:032x}"
            self.texts.append(TakenText("twilio", sid, form["To"], form["Body"], form))
            return Answer(201, {"sid": sid, "status": "queued", "num_segments": "1", "to": form["To"]})
        if path == CALLS_PATH:
            sid = f"CA{len(self.calls) + 1:032x}"
            self.calls.append(TakenCall(sid, form["To"], form))
            return Answer(201, {"sid": sid, "status": "queued", "to": form["To"], "direction": "outbound-api"})
        message_id = f"ATXid_{number:032x}"
        self.texts.append(TakenText("africastalking", message_id, form["to"], form["message"], form))
        return africastalking_code(101, message_id)


def _form(body: bytes) -> dict[str, str]:
    fields = parse_qs(body.decode(), keep_blank_values=True)
    return {name: "\0".join(values) for name, values in fields.items()}


def _entry(sid: str, to: str, sender: str, body: str, direction: str, at: datetime) -> dict[str, Any]:
    when = format_datetime(at)
    return {
        "sid": sid,
        "to": to,
        "from": sender,
        "body": body,
        "direction": direction,
        "date_created": when,
        "date_sent": when,
    }


def _fits(entry: Mapping[str, Any], asked: Mapping[str, str]) -> bool:
    since = asked.get("DateSent>", "")[:10]
    return (
        entry["to"] == asked["To"]
        and entry["from"] == asked.get("From", entry["from"])
        and f"{parsedate_to_datetime(entry['date_sent']):%Y-%m-%d}" >= since
    )


def _not_authorised(path: str, headers: Mapping[str, str]) -> Answer | None:
    if path in (TWILIO_PATH, CALLS_PATH):
        pair = f"{ACCOUNT}:{DEVELOPMENT_SECRETS['twilio_auth_token']}".encode()
        if headers.get("Authorization") != "Basic " + base64.b64encode(pair).decode():
            return twilio_error(20003, 401)
    elif path == AFRICASTALKING_PATH:
        if headers.get("apikey") != DEVELOPMENT_SECRETS["africastalking_api_key"]:
            return Answer(401, "The supplied authentication is invalid")
    else:
        return Answer(404, {"code": 20404, "message": "not found"})
    return None


def _refused_by_contract(path: str, headers: Mapping[str, str], form: Mapping[str, str]) -> Answer | None:
    if refused := _not_authorised(path, headers):
        return refused
    if path in (TWILIO_PATH, CALLS_PATH):
        fields, may = (TWILIO_FIELDS, TWILIO_MAY) if path == TWILIO_PATH else (CALL_FIELDS, set())
        documented = fields <= set(form) <= fields | may
        return None if documented else Answer(400, {"code": 21600, "message": "unexpected fields"})
    if path == AFRICASTALKING_PATH:
        documented = set(form) - {"from"} == AFRICASTALKING_FIELDS
        ours = form.get("username") == DEVELOPMENT_SECRETS["africastalking_username"]
        return None if documented and ours else Answer(400, "unexpected fields")
    return Answer(404, {"code": 20404, "message": "not found"})


def _handler(providers: FakeProviders) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = providers.answer(self.command, self.path, dict(self.headers), body)
            time.sleep(answer.after_seconds)
            if answer.hangs_up:
                self.close_connection = True
                return
            with suppress(ConnectionError):  # a client that would not wait has gone
                self._write(answer)

        def _write(self, answer: Answer) -> None:
            payload = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(payload.encode())))
            self.end_headers()
            self.wfile.write(payload.encode())

        def log_message(self, *_: Any) -> None:
            """Tests are quiet."""

    return Handler
