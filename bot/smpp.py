"""The process that keeps the line to an SMSC: texts and USSD dialogs in and out over SMPP. `python -m bot.smpp` runs it.

Promises: a text or a hop is answered to the SMSC only after its turn was committed; what one phone sends is heard in its
order; texts to one phone leave in theirs; a lost line is made again. Only this process sends the outbox's rows of `smpp`.
One of it may run.
"""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import redis
import structlog

from bot import servers
from bot.channels import smpp, smpp_ussd
from bot.channels.smpp import NAME, TAKEN, TOO_FAST, Smpp
from bot.channels.smpp_link import Delivered, Line, Link, NoAnswer, NotSent
from bot.channels.smpp_ussd import Hop, Profile
from bot.config import Settings, SettingsRefused
from bot.logs import set_up
from bot.messages import Inbound, Receipt, Reply, Unavailable
from bot.parsing import tidy
from bot.smpp_memory import Dialog, Memory
from bot.turn import NOTHING_DONE
from bot.worker import Worker
from circulation.msisdn import Msisdn

LANES = 8
"""Turns taken at once. All that comes from one phone goes through one lane, in its order."""
MOST_WAITING = 200
"""Messages of phones that wait for their turn; the SMSC keeps what comes beyond."""
SCREEN_SECONDS = 8.0
"""How long it is tried to show a screen. Networks close a dialog that is silent for about ten seconds."""
AGAIN_SECONDS = 0.25

OK, LATER, NEVER = 0x00, 0x64, 0x66
"""Our answers to a deliver_sm: heard; deliver it again (ESME_RX_T_APPN); of no use to us (ESME_RX_R_APPN)."""

log = structlog.get_logger(__name__)


class Gateway:
    """What comes from the SMSC, made into turns and receipts. `texts` is the channel by which texts leave."""

    def __init__(
        self,
        settings: Settings,
        take_turn: Callable[[Inbound], Reply],
        record_receipt: Callable[[Receipt], None],
        memory: Memory,
        rescue: Callable[[Msisdn, str], None],
        digest: Callable[[str], str],
    ) -> None:
        """`rescue(phone, session)` is told of every dialog that was cut off; `digest` hides what was typed, in the names of
        hops. Raises SettingsRefused."""
        try:
            self._profile = Profile.named(settings.smpp_profile)
        except ValueError as error:
            raise SettingsRefused(f"SMPP_PROFILE: {error}.") from None
        login = {
            "system_id": settings.smpp_system_id,
            "password": settings.smpp_password.get_secret_value(),
            "system_type": settings.smpp_system_type,
        }
        self.line = Line((settings.smpp_host, settings.smpp_port), login, self._heard)
        self.texts = Smpp(settings, self.line)
        self._take_turn = take_turn
        self._record_receipt = record_receipt
        self._memory = memory
        self._rescue = rescue
        self._digest = digest
        self._lanes = [ThreadPoolExecutor(1, thread_name_prefix="lane") for _ in range(LANES)]
        self._room = threading.Semaphore(MOST_WAITING)

    def run_forever(self, worker: Worker, stop: threading.Event) -> None:
        """Keep the line and send texts until `stop` is set; then finish what was begun, and take leave of the SMSC."""
        leave = threading.Event()
        keeping = threading.Thread(target=self.line.run_forever, args=[leave], name="line")
        keeping.start()
        worker.run_forever(stop)
        for lane in self._lanes:
            lane.shutdown()
        leave.set()
        keeping.join()

    def _heard(self, link: Link, delivered: Delivered) -> None:
        if not self._room.acquire(blocking=False):
            link.answer(delivered, LATER)
            return
        lane = self._lanes[hash(delivered.source_addr) % LANES]
        try:
            lane.submit(self._attend, link, delivered)
        except RuntimeError:  # we are leaving
            self._room.release()
            link.answer(delivered, LATER)

    def _attend(self, link: Link, delivered: Delivered) -> None:
        try:
            if smpp_ussd.is_ussd(delivered):
                self._hop(link, delivered)
            elif smpp.is_receipt(delivered):
                link.answer(delivered, self._receipt(delivered))
            else:
                self._text(link, delivered)
        except Exception as error:  # noqa: BLE001 - a bug met by one message must not stop the others
            frames = traceback.extract_tb(error.__traceback__)
            log.error("smpp fault", error=type(error).__name__, at=f"{frames[-1].filename}:{frames[-1].lineno}")
            link.answer(delivered, NEVER)
        finally:
            self._room.release()

    def _receipt(self, delivered: Delivered) -> int:
        receipt = self.texts.receipt(delivered)
        try:
            if receipt is not None:
                self._record_receipt(receipt)
        except Unavailable:
            return LATER
        return OK

    def _text(self, link: Link, delivered: Delivered) -> None:
        text = smpp.text(delivered)
        msisdn = text.msisdn
        if msisdn is None:
            link.answer(delivered, OK)  # from a short code or a name: nobody to answer
            return
        try:
            words = self._memory.whole(text, msisdn)
            if words is None:
                link.answer(delivered, OK)
                return
            words = tidy(words)
            key = self._memory.identity(msisdn, words, link.id)
            self._take_turn(Inbound(NAME, "sms", key, msisdn, words))
        except (Unavailable, redis.RedisError) as error:
            log.warning("text put off", error=type(error).__name__)
            link.answer(delivered, LATER)
            return
        if link.answer(delivered, OK):
            self._survive(lambda: self._memory.answered(text, msisdn, words))

    def _hop(self, link: Link, delivered: Delivered) -> None:
        hop = smpp_ussd.hop(self._profile, delivered)
        if hop is None:
            link.answer(delivered, NEVER)
            return
        if hop.event == "ends":
            link.answer(delivered, OK)
            self._survive(lambda: self._cut_off(hop))
            return
        dialog, reply = self._answer(hop)
        if not link.answer(delivered, OK) or not self._show(smpp_ussd.screen(self._profile, delivered, reply)):
            return
        if dialog is None or not reply.more:
            self._survive(lambda: self._memory.forget(hop))
        else:
            shown = Dialog(dialog.session, dialog.text, dialog.typed, shown=True)
            self._survive(lambda: self._memory.keep(hop, shown))

    def _cut_off(self, hop: Hop) -> None:
        """The dialog ended, and not by us: after a last screen of ours it is not known any more."""
        dialog = self._memory.dialog(hop)
        log.info("ussd session ended", msisdn=str(hop.msisdn), status="Complete" if dialog is None else "Incomplete")
        if dialog is not None:
            self._memory.forget(hop)
            self._rescue(hop.msisdn, dialog.session)

    def _answer(self, hop: Hop) -> tuple[Dialog | None, Reply]:
        """The dialog after this hop (None when it is not to go on), and the screen that answers it."""
        try:
            known = self._memory.dialog(hop)
            dialog = _begun(known) if hop.event == "begins" else _gone_on(known, hop.typed)
            reply = self._take_turn(self._inbound(hop, dialog))
        except Unavailable as unavailable:
            return None, Reply(unavailable.sentence)
        except redis.RedisError as error:
            log.warning("hop not taken", error=type(error).__name__)
            return None, Reply(NOTHING_DONE)
        self._survive(lambda: self._memory.keep(hop, dialog))
        return dialog, reply

    def _inbound(self, hop: Hop, dialog: Dialog) -> Inbound:
        """The hop's name: its session, how many answers there were, and a digest of them, because they hold PINs."""
        position = dialog.text.count("*") + 1 if dialog.text else 0
        key = f"{dialog.session}:{position}:{self._digest(dialog.text)[:16]}"
        return Inbound(NAME, "ussd", key, hop.msisdn, dialog.text, dialog.session)

    def _show(self, fields: dict[str, object]) -> bool:
        """Whether the SMSC took the screen."""
        until = time.monotonic() + SCREEN_SECONDS
        while True:
            try:
                answer = self.line.submit(fields, until - time.monotonic())
            except (NotSent, NoAnswer) as error:
                log.warning("screen not shown", error=type(error).__name__)
                return False
            if answer.status == TAKEN:
                return True
            if answer.status not in TOO_FAST or time.monotonic() + AGAIN_SECONDS > until:
                log.warning("screen not shown", status=f"0x{answer.status:02x}")
                return False
            time.sleep(AGAIN_SECONDS)

    def _survive(self, remember: Callable[[], None]) -> None:
        """The turn stands, whatever Redis says now; without this memory the next hop is shown the same screen again."""
        try:
            remember()
        except redis.RedisError as error:
            log.warning("smpp memory not written", error=type(error).__name__)


def _begun(known: Dialog | None) -> Dialog:
    """A new dialog; the same when the network repeats its beginning, because it did not take the first screen."""
    if known is not None and not known.shown and not known.text:
        return known
    return Dialog(uuid4().hex, "", "", shown=False)


def _gone_on(known: Dialog | None, typed: str) -> Dialog:
    return known.after(typed) if known is not None else Dialog(uuid4().hex, typed, typed, shown=False)


def main() -> int:
    """Keep the line until SIGTERM or SIGINT. Where no SMSC is named, only wait for that."""
    from bot.app import build_smpp

    set_up()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = Settings.load()
    if not settings.smpp_host:
        log.info("no SMSC is named in SMPP_HOST: no SMPP")
        stop.wait()
        return 0
    with servers.in_use(settings) as addresses:
        here = {"database_url": addresses.database_url, "redis_url": addresses.redis_url}
        gateway, worker = build_smpp(settings.model_copy(update=here))
        gateway.run_forever(worker, stop)
    return 0


if __name__ == "__main__":
    sys.exit(servers.or_say_why(main))
