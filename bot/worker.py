"""The worker: sends what waits in the outbox, and tries again by policy. `python -m bot.worker` runs it.

Promises: texts to one phone leave in the order they were filed; a text whose sending failed for a while is sent later;
one bad text stops no other; the worker outlives a lost database. A worker that is killed may leave texts which another
sends once more, never texts that nobody sends.
"""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import structlog

from bot import servers
from bot.channels import SEND_SECONDS, Channel
from bot.config import Settings
from bot.logs import set_up
from bot.messages import Outbound, SendFailed
from circulation.msisdn import Msisdn
from storage import outbox
from storage.database import Database
from storage.outbox import Claimed

BATCH = 100
SENDERS = 8
MARK_EVERY = 20
LEASE_SECONDS = 60.0
"""A claimed text is another worker's after this long; no send begins when it might not end within it."""
RETRY_SECONDS = (5, 30, 120, 600, 3600)
"""The pause after the first, second, ... failed attempt. After one more the text has failed for good."""
POLL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How an attempt ended. `note` is the provider's name of the message (sent) or a code (retry, failed)."""

    row: Claimed
    kind: Literal["sent", "retry", "released", "failed"]
    note: str = ""
    seconds: float = 0


class Worker:
    """One worker process. `render(language, sentence, holes)` writes the text of a row; `wait(seconds)` sleeps until
    there is something to do or the seconds have passed; `chores()` does the timed work that is due now; `charging()` asks the
    rails, returns how much there was to ask, and has a thread of its own: a slow rail holds up no text."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        render: Callable[[str, str, Mapping[str, Any]], str],
        wait: Callable[[float], None],
        chores: Callable[[], None],
        charging: Callable[[], int],
    ) -> None:
        self._database = database
        self._channels = channels
        self._render = render
        self._wait = wait
        self._chores = chores
        self._charging = charging
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self._stop = threading.Event()
        self._unmarked: list[_Outcome] = []  # ended, and not yet in the database

    def run_once(self) -> int:
        """Send one batch of texts that are due. Returns how many were taken in hand.

        When the database fails in between, it raises; what was sent until then is marked by the next call.
        """
        self._mark()
        begun = time.monotonic()
        with self._database.begin() as db:
            claimed = outbox.claim(db, batch=BATCH, lease_seconds=LEASE_SECONDS)
        last_start = begun + LEASE_SECONDS - SEND_SECONDS
        jobs = [self._senders.submit(self._send_in_order, rows, last_start) for rows in _by_phone(claimed)]
        try:
            for job in as_completed(jobs):
                job.result()
                if len(self._unmarked) >= MARK_EVERY:
                    self._mark()
        finally:
            wait(jobs)
        self._mark()
        return len(claimed)

    def run_forever(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then finish the sends that have begun, give the rest back, and return."""
        self._stop = stop
        faults = 0
        asking = threading.Thread(target=self._charge_forever, name="charging")
        asking.start()
        with self._senders:
            while not stop.is_set():
                self._survives("chores", self._chores)
                if self._survives("sending", self._round):
                    faults = 0
                else:
                    faults += 1
                    stop.wait(min(2.0 ** min(faults, 10), LONGEST_PAUSE_SECONDS))
        asking.join()

    def _charge_forever(self) -> None:
        while not self._stop.is_set():
            found: list[int] = []
            if not self._survives("charging", lambda: found.append(self._charging())) or not found[0]:  # noqa: B023
                self._stop.wait(POLL_SECONDS)

    def _round(self) -> None:
        if self.run_once() == 0:
            self._wait(POLL_SECONDS)

    def _survives(self, task: str, work: Callable[[], object]) -> bool:
        """Whether `work` ended well. Nothing it raises may end the process: a lost database comes back."""
        try:
            work()
        except Exception as error:  # noqa: BLE001
            log.error("worker fault", task=task, fault=_fault(error))
            return False
        return True

    def _send_in_order(self, rows: Sequence[Claimed], last_start: float) -> None:
        """Send one phone's texts. When one must wait, those behind it wait as long, so that they stay behind it."""
        held_up: float | None = None
        for row in rows:
            if held_up is not None:
                outcome = _Outcome(row, "released", seconds=held_up)
            elif self._stop.is_set() or time.monotonic() > last_start:
                outcome = _Outcome(row, "released")
            else:
                outcome = self._send(row)
            if outcome.kind == "retry":
                held_up = outcome.seconds
            self._unmarked.append(outcome)

    def _send(self, row: Claimed) -> _Outcome:
        if row.again:
            log.warning("worker lost, text may be sent twice", outbox_id=row.id, attempt=row.attempt)
        if row.attempt > len(RETRY_SECONDS) + 1:
            return _Outcome(row, "failed", "attempts")  # whoever claims it dies of it
        try:
            text = self._render(row.language, row.sentence, row.holes)
            message = Outbound(row.id, row.attempt, row.provider, Msisdn(row.msisdn), text)
            taken = self._channels[row.provider].send(message)
        except SendFailed as refused:
            return _refused(row, refused)
        except Exception as error:  # noqa: BLE001 - a bug met by one row must not stop the others
            log.error("text fault", outbox_id=row.id, provider=row.provider, fault=_fault(error))
            return _Outcome(row, "failed", "fault")
        return _Outcome(row, "sent", taken.provider_id)

    def _mark(self) -> None:
        """Write down how attempts ended. What cannot be written now stays in hand, to be written before anything else."""
        ended = list(self._unmarked)
        if not ended:
            return
        by_kind = {kind: [o for o in ended if o.kind == kind] for kind in ("sent", "retry", "released", "failed")}
        with self._database.begin() as db:
            held = outbox.sent(db, [(o.row.id, o.row.attempt, o.note) for o in by_kind["sent"]])
            held += outbox.retry(db, [(o.row.id, o.row.attempt, o.seconds, o.note) for o in by_kind["retry"]])
            held += outbox.release(db, [(o.row.id, o.row.attempt, o.seconds) for o in by_kind["released"]])
            held += outbox.failed(db, [(o.row.id, o.row.attempt, o.note) for o in by_kind["failed"]])
        del self._unmarked[: len(ended)]
        if held < len(ended):
            log.warning("texts were no longer ours to mark", count=len(ended) - held)


def _by_phone(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """The rows of each phone together, each in the order they were claimed."""
    ordered = sorted(claimed, key=lambda row: row.msisdn)
    return [list(rows) for _, rows in groupby(ordered, key=lambda row: row.msisdn)]


def _refused(row: Claimed, refused: SendFailed) -> _Outcome:
    """What follows from a provider's refusal: a pause by the schedule, or the end of the attempts."""
    level = "error" if refused.policy == "alarm" else "warning"
    facts = {"outbox_id": row.id, "attempt": row.attempt, "provider": row.provider}
    getattr(log, level)("text not taken", policy=refused.policy, code=refused.code, **facts)
    if refused.policy == "never" or row.attempt > len(RETRY_SECONDS):
        return _Outcome(row, "failed", refused.code)
    pause = max(RETRY_SECONDS[row.attempt - 1], refused.retry_after)
    return _Outcome(row, "retry", refused.code, pause)


def _fault(error: BaseException) -> str:
    """The kind of an error and the line it came from, never its words: they may hold a text or a number."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}"


def main() -> int:
    """Run one worker until SIGTERM or SIGINT; texts being sent at that moment are finished first."""
    from bot.app import build_worker

    set_up()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    settings = Settings.load()
    with servers.in_use(settings) as addresses:
        here = {"database_url": addresses.database_url, "redis_url": addresses.redis_url}
        build_worker(settings.model_copy(update=here)).run_forever(stop)
    return 0


if __name__ == "__main__":
    sys.exit(servers.or_say_why(main))
