"""The line to an SMSC: one bind as transceiver over SMPP 3.4, kept up for as long as the process lives.

smpplib writes and reads the PDUs. Its own client is not used: a pause in the middle of a PDU makes it lose its place, and it
knows no window. Source: SMPP 3.4, chapters 2.2 (binds), 2.9 (timers), 4 (PDUs) and 5.1.3 (statuses).
"""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import structlog
from smpplib import command, smpp
from smpplib.consts import (
    SMPP_ESME_RINVCMDID,
    SMPP_ESME_RINVPASWD,
    SMPP_ESME_RINVSYSID,
    SMPP_ESME_ROK,
    SMPP_ESME_RX_R_APPN,
)

WINDOW = 10
"""Submits that may be without an answer at one time. The customary window of an SMSC; one that has less throttles."""
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""How long the SMSC may take to answer a PDU (its response_timer)."""
QUIET_SECONDS = 30.0
"""After so long without a PDU the SMSC is asked whether it is there (enquire_link_timer)."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""The pause before the first new attempt to bind; each doubles it, up to the longest."""

_LOOK_SECONDS = 0.25
_HEADER = struct.Struct(">LLLL")
_LONGEST_PDU = 64 * 1024
_TLV = struct.Struct(">HH")
_LAST_SEQUENCE = 0x7FFFFFFF

_GENERIC_NACK, _SUBMIT_SM_RESP, _BIND_RESP = 0x80000000, 0x80000004, 0x80000009
_DELIVER_SM, _UNBIND, _ENQUIRE_LINK = 0x00000005, 0x00000006, 0x00000015
_RESPONSE = 0x80000000

log = structlog.get_logger(__name__)


class NotSent(Exception):
    """The SMSC was not asked: there is no bind, or no place in the window. Its message is one word for logs."""


class NoAnswer(Exception):
    """The SMSC was asked and the answer did not come: it may have done it."""


class BindRefused(Exception):
    """The SMSC will not have us. `status` is its command_status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"0x{status:08x}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """What the SMSC says to a submit: its command_status, and its name of the message when it took it."""

    status: int
    message_id: str


class Delivered(command.DeliverSM):  # type: ignore[misc]
    """A deliver_sm. `tlvs`: its optional parameters by tag, as they came; smpplib knows only some of them."""

    def __init__(self) -> None:
        super().__init__("deliver_sm", sequence=1)
        self.tlvs: dict[int, bytes] = {}

    def parse_optional_params(self, data: bytes) -> None:
        """Keep every parameter; one that is cut off ends them."""
        at = 0
        while at + _TLV.size <= len(data):
            tag, length = _TLV.unpack_from(data, at)
            at += _TLV.size
            self.tlvs[tag] = data[at : at + length]
            at += length


@dataclass
class _Awaited:
    come: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class Link:
    """One connection that is bound. Safe to use from several threads; `attend` is one thread's work."""

    def __init__(self, connection: socket.socket, heard: Callable[["Link", Delivered], None], window: int) -> None:
        self.id = uuid4().hex
        self._socket = connection
        self._heard = heard
        self._places = threading.Semaphore(window)
        self._lock = threading.Lock()
        self._sequence = 0
        self._awaited: dict[int, _Awaited] = {}
        self._unread = b""
        self._over = threading.Event()

    def bind(self, *, system_id: str, password: str, system_type: str) -> None:
        """Become a transceiver. Raises BindRefused, or OSError when the SMSC hangs up or does not answer."""
        words = {"system_id": system_id, "password": password, "system_type": system_type}
        self._write(smpp.make_pdu("bind_transceiver", sequence=1, **words), self._next())
        until = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < until:
            for code, status, _, _ in self._frames(_LOOK_SECONDS, most=1):
                if code in {_BIND_RESP, _GENERIC_NACK}:
                    if status != SMPP_ESME_ROK:
                        raise BindRefused(status)
                    return
        raise TimeoutError

    def attend(self, stop: threading.Event) -> None:
        """Read what comes until `stop` is set or the line is lost, and ask after a quiet SMSC."""
        heard_at, asked_at = time.monotonic(), 0.0
        while not stop.is_set() and not self._over.is_set():
            for frame in self._frames(_LOOK_SECONDS):
                self._take(*frame)
                heard_at, asked_at = time.monotonic(), 0.0
            now = time.monotonic()
            if asked_at and now - asked_at > ANSWER_SECONDS:
                log.warning("smsc does not answer")
                return
            if not asked_at and now - heard_at > QUIET_SECONDS:
                self._write(smpp.make_pdu("enquire_link", sequence=1), self._next())
                asked_at = now

    def submit(self, fields: Mapping[str, Any], seconds: float) -> Answer:
        """Hand over one submit_sm and wait for the answer. Raises NotSent, NoAnswer."""
        until = time.monotonic() + seconds
        if not self._places.acquire(timeout=max(seconds, 0)):
            raise NotSent("window")
        sequence = self._next()
        awaited = self._awaited[sequence] = _Awaited()
        try:
            if self._over.is_set():  # after it was entered: whoever closes the link looks through them all
                raise NotSent("not_bound")
            try:
                self._write(smpp.make_pdu("submit_sm", sequence=1, **fields), sequence)
            except OSError:
                # not all of it left, so the SMSC cannot have read it; what left of it has spoilt the line
                self._over.set()
                raise NotSent("link_lost") from None
            awaited.come.wait(min(ANSWER_SECONDS, until - time.monotonic()))
        finally:
            self._awaited.pop(sequence, None)
            self._places.release()
        if awaited.answer is None:
            raise NoAnswer
        return awaited.answer

    def answer(self, delivered: Delivered, status: int) -> bool:
        """Answer a deliver_sm of this link. False when the line was lost: the SMSC will deliver it again."""
        try:
            self._write(smpp.make_pdu("deliver_sm_resp", sequence=1, status=status), delivered.sequence)
        except OSError:
            return False
        return not self._over.is_set()

    def close(self, *, unbind: bool) -> None:
        """Hang up, taking leave first or not. Whoever still waits for an answer learns that it will not come."""
        if unbind and not self._over.is_set():
            try:
                self._write(smpp.make_pdu("unbind", sequence=1), self._next())
            except OSError as error:
                log.info("smsc gone before we took leave", error=type(error).__name__)
        self._over.set()
        self._socket.close()
        for awaited in list(self._awaited.values()):
            awaited.come.set()

    def _next(self) -> int:
        with self._lock:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
            return self._sequence

    def _write(self, pdu: Any, sequence: int) -> None:
        pdu.sequence = sequence
        octets = pdu.generate()
        with self._lock:
            self._socket.sendall(octets)

    def _frames(self, seconds: float, most: int = 0) -> list[tuple[int, int, int, bytes]]:
        """(command, status, sequence, the whole PDU) of what came within so many seconds; `most` of them, 0: all.

        Raises OSError when the SMSC hung up or speaks no SMPP.
        """
        if select.select([self._socket], [], [], seconds)[0]:
            come = self._socket.recv(_LONGEST_PDU)
            if not come:
                raise ConnectionResetError
            self._unread += come
        frames: list[tuple[int, int, int, bytes]] = []
        while len(self._unread) >= _HEADER.size and (not most or len(frames) < most):
            length, code, status, sequence = _HEADER.unpack_from(self._unread)
            if not _HEADER.size <= length <= _LONGEST_PDU:
                raise ConnectionAbortedError("no SMPP")
            if len(self._unread) < length:
                break
            frames.append((code, status, sequence, self._unread[:length]))
            self._unread = self._unread[length:]
        return frames

    def _take(self, code: int, status: int, sequence: int, pdu: bytes) -> None:
        if code in {_SUBMIT_SM_RESP, _GENERIC_NACK}:
            awaited = self._awaited.get(sequence)
            if awaited is not None:
                name = pdu[_HEADER.size :].split(b"\0")[0].decode("latin-1") if code == _SUBMIT_SM_RESP else ""
                awaited.answer = Answer(status, name.strip())
                awaited.come.set()
        elif code == _DELIVER_SM:
            self._deliver(pdu, sequence)
        elif code == _ENQUIRE_LINK:
            self._write(smpp.make_pdu("enquire_link_resp"), sequence)
        elif code == _UNBIND:
            self._write(smpp.make_pdu("unbind_resp"), sequence)
            self._over.set()
        elif not code & _RESPONSE:
            self._write(smpp.make_pdu("generic_nack", status=SMPP_ESME_RINVCMDID), sequence)

    def _deliver(self, pdu: bytes, sequence: int) -> None:
        delivered = Delivered()
        try:
            delivered.parse(pdu)
        except (struct.error, LookupError, ValueError, TypeError) as error:
            log.warning("unreadable deliver_sm", error=type(error).__name__)
            delivered.sequence = sequence
            self.answer(delivered, SMPP_ESME_RX_R_APPN)
            return
        self._heard(self, delivered)


class Line:
    """The bind to one SMSC, made again whenever it is lost. `heard(link, pdu)` is called for each deliver_sm, in the
    line's own thread, and must return at once; its answer goes by `link.answer`."""

    def __init__(
        self,
        address: tuple[str, int],
        login: Mapping[str, str],
        heard: Callable[[Link, Delivered], None],
        window: int = WINDOW,
    ) -> None:
        self._address = address
        self._login = login
        self._heard = heard
        self._window = window
        self._link: Link | None = None
        self.bound = threading.Event()

    def submit(self, fields: Mapping[str, Any], seconds: float) -> Answer:
        """Hand one submit_sm to the SMSC, within so many seconds. Raises NotSent, NoAnswer."""
        link = self._link
        if link is None:
            raise NotSent("not_bound")
        return link.submit(fields, seconds)

    def run_forever(self, stop: threading.Event) -> None:
        """Bind, attend, and bind again with growing pauses, until `stop` is set; then take leave."""
        pause = FIRST_PAUSE_SECONDS
        while not stop.is_set():
            if self._run_once(stop):
                pause = FIRST_PAUSE_SECONDS
            stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _run_once(self, stop: threading.Event) -> bool:
        """Whether we were bound."""
        link: Link | None = None
        try:
            connection = socket.create_connection(self._address, CONNECT_SECONDS)
            connection.settimeout(ANSWER_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = Link(connection, self._heard, self._window)
            link.bind(**self._login)
            self._link = link
            self.bound.set()
            log.info("bound to smsc")
            link.attend(stop)
        except BindRefused as refused:
            ours = refused.status in {SMPP_ESME_RINVPASWD, SMPP_ESME_RINVSYSID}
            (log.error if ours else log.warning)("smsc refuses the bind", status=str(refused))
        except OSError as error:
            log.warning("smsc lost" if self._link else "smsc not reached", error=type(error).__name__)
        finally:
            was_bound = self._link is not None
            self._link = None
            self.bound.clear()
            if link is not None:
                link.close(unbind=stop.is_set())
        return was_bound
