"""The worker: sends what waits in the outbox, and tries again by policy. `python -m bot.worker` runs it.

Promises: texts to one phone leave in the order they were filed; a text whose sending failed for a while is sent later;
one bad text stops no other; the worker outlives a lost database. A worker that is killed may leave texts which another
sends once more where their provider cannot be asked about them, never texts that nobody sends.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from typing import Any

import structlog

from bot import servers
from bot.channels import SEND_SECONDS, Channel
from bot.config import Settings
from bot.held_back import HeldBack, NothingHeldBack
from bot.logs import set_up
from bot.messages import Enclosed
from bot.pacing import Pace
from bot.sending import Outcome, Sending, by_address, fault
from circulation.routes import Routes
from storage import outbox
from storage.database import Database
from storage.outbox import Claimed

BATCH = 100
SENDERS = 8
MARK_EVERY = 20
LEASE_SECONDS = 60.0
"""A claimed text is another worker's after this long; no send begins when it might not end within it."""
POLL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0

log = structlog.get_logger(__name__)


def nothing_enclosed(_: Claimed) -> tuple[Enclosed, ...]:
    """Where only texts are sent, nothing goes with them."""
    return ()


class Worker:
    """One worker process. `render(language, sentence, holes)` writes the text of a row; `wait(seconds)` sleeps until
    there is something to do or the seconds have passed; `chores()` does the timed work that is due now; `charging()` asks the
    rails, returns how much there was to ask, and has a thread of its own: a slow rail holds up no text.

    `enclose(row)` finds what goes with a row; `held_back` knows which of the rows just claimed are not sent now; `routes` and
    `served` say who stands in for a provider that fails; `pace` how fast each may be used.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        render: Callable[[str, str, Mapping[str, Any]], str],
        wait: Callable[[float], None],
        chores: Callable[[], None],
        charging: Callable[[], int],
        *,
        enclose: Callable[[Claimed], tuple[Enclosed, ...]] = nothing_enclosed,
        held_back: HeldBack | NothingHeldBack | None = None,
        routes: Routes | None = None,
        served: Collection[str] = (),
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._channels = channels
        self._wait = wait
        self._chores = chores
        self._charging = charging
        self._held_back = held_back or NothingHeldBack()
        self._pace = pace or Pace({}, clock)
        self._sending = Sending(channels, render, enclose, self._known, routes or Routes([]), served, self._pace, clock)
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="sender")
        self._stop = threading.Event()
        self._unmarked: list[Outcome] = []  # ended, and not yet in the database

    def run_once(self) -> int:
        """Send one batch of texts that are due. Returns how many were taken in hand.

        When the database fails in between, it raises; what was sent until then is marked by the next call.
        """
        self._mark()
        begun = time.monotonic()
        claimed, held = self._claim()
        self._unmarked += held
        last_start = begun + LEASE_SECONDS - SEND_SECONDS
        jobs = [self._senders.submit(self._send_in_order, rows, last_start) for rows in by_address(claimed)]
        try:
            for job in as_completed(jobs):
                job.result()
                if len(self._unmarked) >= MARK_EVERY:
                    self._mark()
        finally:
            wait(jobs)
        self._mark()
        return len(claimed) + len(held)

    def _claim(self) -> tuple[list[Claimed], list[Outcome]]:
        """What is to be sent now, and what was claimed and is not."""
        claimed: list[Claimed] = []
        with self._database.begin() as db:
            for providers, most in self._pace.shares(self._channels, BATCH):
                claimed += outbox.claim(db, providers=providers, batch=most, lease_seconds=LEASE_SECONDS)
            held = self._held_back.of(db, claimed) if claimed else []
        not_now = {outcome.row.id for outcome in held}
        return [row for row in claimed if row.id not in not_now], held

    def _known(self, provider: str, names: Collection[str]) -> set[str]:
        with self._database.look() as db:
            return outbox.known(db, provider, names)

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
            log.error("worker fault", task=task, fault=fault(error))
            return False
        return True

    def _send_in_order(self, rows: Sequence[Claimed], last_start: float) -> None:
        """Send one phone's texts. When one must wait, those behind it wait as long, so that they stay behind it."""
        held_up: float | None = None
        for row in rows:
            if held_up is not None:
                outcome = Outcome(row, "released", seconds=held_up)
            elif self._stop.is_set() or time.monotonic() > last_start:
                outcome = Outcome(row, "released")
            else:
                outcome = self._sending.attempt(row)
            if outcome.kind in ("retry", "released", "passed"):
                held_up = outcome.seconds
            self._unmarked.append(outcome)

    def _mark(self) -> None:
        """Write down how attempts ended. What cannot be written now stays in hand, to be written before anything else."""
        ended = list(self._unmarked)
        if not ended:
            return
        kinds = ("sent", "retry", "released", "passed", "failed")
        by_kind = {kind: [o for o in ended if o.kind == kind] for kind in kinds}
        with self._database.begin() as db:
            held = outbox.sent(db, [(o.row.id, o.row.attempt, o.note) for o in by_kind["sent"]])
            retries = [(o.row.id, o.row.attempt, o.seconds, o.note, o.unclear) for o in by_kind["retry"]]
            held += outbox.retry(db, retries)
            held += outbox.release(db, [(o.row.id, o.row.attempt, o.seconds) for o in by_kind["released"]])
            held += outbox.pass_on(db, [(o.row.id, o.row.attempt, o.note) for o in by_kind["passed"]])
            held += outbox.failed(db, [(o.row.id, o.row.attempt, o.note) for o in by_kind["failed"]])
            self._held_back.left(db, len(by_kind["sent"]))
        del self._unmarked[: len(ended)]
        if held < len(ended):
            log.warning("texts were no longer ours to mark", count=len(ended) - held)


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
