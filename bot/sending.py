"""Sending one message of the outbox: by whom, whether it may have been sent before, and what follows when it is refused.

Promises: what a provider may have taken already is looked for there before it is sent again, and never goes by another
provider; a provider that fails is left alone for a while, and its messages go by the next one of their route.
"""

import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bot.breaker import Breaker
from bot.channels import Channel, Remembers
from bot.messages import Enclosed, Form, Outbound, SendFailed
from bot.pacing import Pace
from circulation import addresses
from circulation.routes import Routes
from storage.outbox import Claimed

RETRY_SECONDS = (5, 30, 120, 600, 3600)
"""The pause after the first, second, ... failed attempt. After one more the message has failed for good."""
LOOK_SECONDS = 30.0
"""A provider that did not answer is asked no sooner what became of it: its own list may lag behind."""
LOOKS = 4
"""An attempt up to this one is given up when the provider cannot say what became of an earlier one; later ones send again."""
PASS_ON_AFTER = 3
"""A provider that could not send a message so often gives it to the next one of the route."""
LOST_SECONDS = 10.0
"""How long a message waits when the database was lost while it was being written."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended.

    `note` is the provider's name of the message (sent), a code (retry, failed) or who is to send it (passed). `unclear`: it may
    have been sent.
    """

    row: Claimed
    kind: Literal["sent", "retry", "released", "passed", "failed"]
    note: str = ""
    seconds: float = 0
    unclear: bool = False


class Sending:
    """How one worker process sends. Used from several threads at once.

    `render(language, sentence, holes)` writes a row's text and `enclose(row)` finds what goes with it. `served`: every provider
    that some process of ours serves. `known(provider, names)`: which of these names for messages rows of ours bear already.
    `clock` gives seconds that only grow.
    """

    def __init__(
        self,
        channels: Mapping[str, Channel],
        render: Callable[[str, str, Mapping[str, Any]], str],
        enclose: Callable[[Claimed], tuple[Enclosed, ...]],
        known: Callable[[str, Collection[str]], set[str]],
        routes: Routes,
        served: Collection[str],
        pace: Pace,
        clock: Callable[[], float],
    ) -> None:
        self._channels = channels
        self._render = render
        self._enclose = enclose
        self._known = known
        self._routes = routes
        self._served = served
        self._pace = pace
        self._breakers = {name: Breaker(clock) for name in channels}

    def attempt(self, row: Claimed) -> Outcome:
        """Send one message, or find out that it was sent, or say what is to be done with it."""
        if row.attempt > len(RETRY_SECONDS) + 1:
            return Outcome(row, "failed", "attempts")  # whoever claims it dies of it
        if rests := self._pace.rests_for(row.provider):
            return Outcome(row, "released", seconds=rests)
        try:
            message = self._written(row)
        except (OperationalError, PoolTimeout):
            return Outcome(row, "released", seconds=LOST_SECONDS)
        except Exception as error:  # noqa: BLE001 - a bug met by one row must not stop the others
            return _faulty(row, error)
        breaker = self._breakers[row.provider]
        if not breaker.admits():
            passed = self._stand_in(row) if row.asked_at is None else None  # else its own provider may have it
            return passed or Outcome(row, "released", seconds=breaker.wait())
        return self._admitted(row, message, breaker)

    def _admitted(self, row: Claimed, message: Outbound, breaker: Breaker) -> Outcome:
        unclear = row.asked_at is not None
        try:
            if unclear:
                found = self._looked_up(row, message)
                if found is not None:
                    breaker.worked()
                    return Outcome(row, "sent", found)
                unclear = not isinstance(self._channels[row.provider], Remembers)
        except SendFailed as refused:
            breaker.failed()
            if row.attempt <= LOOKS:
                return self._again(row, refused, unclear=True)
        except (OperationalError, PoolTimeout):
            breaker.unused()
            return Outcome(row, "released", seconds=LOST_SECONDS)
        except Exception as error:  # noqa: BLE001 - as above
            breaker.unused()
            return _faulty(row, error)
        try:
            taken = self._channels[row.provider].send(message)
        except SendFailed as refused:
            return self._refused(row, refused, breaker, unclear=unclear or refused.policy == "unknown")
        except Exception as error:  # noqa: BLE001 - as above
            breaker.unused()
            return _faulty(row, error)
        breaker.worked()
        self._pace.sent(message)
        return Outcome(row, "sent", taken.provider_id)

    def _written(self, row: Claimed) -> Outbound:
        to = addresses.read(row.address)
        text = self._render(row.language, row.sentence, row.holes)
        return Outbound(row.id, row.attempt, row.provider, to, text, cast(Form, row.form), self._enclose(row))

    def _looked_up(self, row: Claimed, message: Outbound) -> str | None:
        """The provider's name of this message, when it has taken it; None when it has not, or cannot say. Raises SendFailed."""
        channel = self._channels[row.provider]
        if not isinstance(channel, Remembers) or row.asked_at is None:
            log.warning("message may be sent twice", outbox_id=row.id, attempt=row.attempt, provider=row.provider)
            return None
        names = [sent.provider_id for sent in channel.look_up(message, row.asked_at)]
        others = self._known(row.provider, names) if names else set()
        return next((name for name in names if name not in others), None)

    def _refused(self, row: Claimed, refused: SendFailed, breaker: Breaker, *, unclear: bool) -> Outcome:
        level = {"page": "critical", "alarm": "error", "plain": "error"}.get(refused.policy, "warning")
        facts = {"outbox_id": row.id, "attempt": row.attempt, "provider": row.provider}
        getattr(log, level)("message not taken", policy=refused.policy, code=refused.code, **facts)
        match refused.policy:
            case "unknown" | "later":
                breaker.failed()
            case "page":
                breaker.failed(at_once=True)
            case "slow":
                self._pace.rest(row.provider, refused.retry_after)
                breaker.worked()
            case _:
                breaker.worked()
        if refused.policy not in ("unknown", "later", "slow", "alarm", "page"):
            return Outcome(row, "failed", refused.code)
        if not unclear and (refused.policy in ("alarm", "page") or row.attempt >= PASS_ON_AFTER):
            passed = self._stand_in(row)
            if passed is not None:
                return passed
        return self._again(row, refused, unclear=unclear)

    def _again(self, row: Claimed, refused: SendFailed, *, unclear: bool) -> Outcome:
        """A pause by the schedule, or the end of the attempts."""
        if row.attempt > len(RETRY_SECONDS):
            return Outcome(row, "failed", refused.code)
        pause = max(RETRY_SECONDS[row.attempt - 1], refused.retry_after, LOOK_SECONDS if unclear else 0)
        return Outcome(row, "retry", refused.code, pause, unclear)

    def _stand_in(self, row: Claimed) -> Outcome | None:
        """Give it to the next provider of its route that is served and not failing; None where there is none."""
        to = addresses.read(row.address)
        tried = [*row.passed, row.provider]
        while (name := self._routes.after(row.form, to, tried)) is not None:
            if name in self._served and not (name in self._breakers and self._breakers[name].wait()):
                log.warning("message passed on", outbox_id=row.id, provider=row.provider, to=name)
                return Outcome(row, "passed", name)
            tried.append(name)
        return None


def _faulty(row: Claimed, error: Exception) -> Outcome:
    log.error("message fault", outbox_id=row.id, provider=row.provider, fault=fault(error))
    return Outcome(row, "failed", "fault")


def fault(error: BaseException) -> str:
    """The kind of an error and the line it came from, never its words: they may hold a text or a number."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}"


def by_address(claimed: Sequence[Claimed]) -> list[list[Claimed]]:
    """The rows of each phone or mailbox together, each in the order they were filed."""
    together: dict[str, list[Claimed]] = {}
    for row in sorted(claimed, key=lambda row: row.id):
        together.setdefault(row.address, []).append(row)
    return list(together.values())
