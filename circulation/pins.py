"""PINs and agreements: what stands for a customer's signature. argon2id with a pepper kept outside the database."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from circulation import members
from circulation.attempts import AGREEMENT, CALL_BY_CALLER, CALL_BY_PAIR, CALL_FOR_MEMBER, PIN, Attempts, Guard
from circulation.msisdn import Msisdn
from circulation.refusals import Refusal
from storage.database import Database


class Pins:
    """Hashes and checks PINs at OWASP's figures (19 MiB, 2 passes, 1 lane: about 16 ms of a core).

    The hashing has a small pool of threads of its own, so that a rush of PINs does not hold up menus.
    """

    def __init__(self, database: Database, attempts: Attempts, pepper: bytes) -> None:
        self._database = database
        self._attempts = attempts
        self._pepper = pepper
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pins")

    @cached_property
    def _nobodys(self) -> str:
        """The hash of a PIN that nobody can type: looking at it takes as long as at anybody's."""
        return self.hash(secrets.token_hex(16))

    def hash(self, pin: str) -> str:
        """The PIN as it may be kept."""
        return self._threads.submit(self._hasher.hash, self._peppered(pin)).result()

    def same(self, pin: str, pin_hash: str) -> bool:
        """Whether this is the PIN that was hashed."""
        try:
            return self._threads.submit(self._hasher.verify, pin_hash, self._peppered(pin)).result()
        except VerifyMismatchError:
            return False

    def check_pin(self, phone: Msisdn, typed: str) -> None:
        """Raises Refusal `wrong_pin`, or `locked` after too many. The attempt is counted before it is looked at."""
        with self._database.begin() as db:
            kept = members.pin_hash(db, phone)
        if kept is None:
            raise Refusal("wrong_pin")
        member_id, pin_hash = kept
        wait = self._attempts.reserve(PIN, str(member_id))
        if not self.same(typed, pin_hash):
            raise Refusal("locked", until=wait) if wait else Refusal("wrong_pin")
        self._attempts.clear(PIN, str(member_id))

    def check_caller(self, caller: Msisdn, claimed: Msisdn, typed: str) -> None:
        """Somebody calls from `caller` and says that they are whose number is `claimed`: is this that person's PIN?

        Raises Refusal `wrong_caller`, the same and as slowly for a number that nobody has, or `locked`. The owner's own
        number is counted apart, so that who calls from elsewhere does not make the owner wait who calls from it.
        """
        lane = "own" if caller == claimed else "other"
        counters = (
            (CALL_BY_PAIR, f"{caller.e164} {claimed.e164}"),
            (CALL_BY_CALLER, caller.e164),
            (CALL_FOR_MEMBER, f"{claimed.e164} {lane}"),
        )
        waits = self._reserve_all(counters)
        with self._database.begin() as db:
            kept = members.pin_hash(db, claimed)
        right = self.same(typed, kept[1] if kept else self._nobodys)
        if not (right and kept):
            raise Refusal("locked", until=max(waits)) if waits else Refusal("wrong_caller")
        (pair, subject), *others = counters
        self._attempts.clear(pair, subject)
        for guard, subject in others:
            self._attempts.forgive(guard, subject)

    def _reserve_all(self, counters: Sequence[tuple[Guard, str]]) -> list[datetime]:
        """Count one attempt by each; until when it would have to wait if it is wrong. Raises Refusal `locked`: then none
        has counted."""
        waits = []
        for count, (guard, subject) in enumerate(counters):
            try:
                wait = self._attempts.reserve(guard, subject)
            except Refusal:
                for counted, whose in counters[:count]:
                    self._attempts.forgive(counted, whose)
                raise
            waits += [wait] if wait else []
        return waits

    def check_number(self, phone: Msisdn, right: bool) -> None:
        """The number we sent stood for the PIN; was it the `right` one? Raises Refusal `wrong_agreement` or `locked`."""
        wait = self._attempts.reserve(AGREEMENT, phone.e164)
        if not right:
            raise Refusal("locked", until=wait) if wait else Refusal("wrong_agreement")
        self._attempts.clear(AGREEMENT, phone.e164)

    def _peppered(self, pin: str) -> bytes:
        return hmac.digest(self._pepper, pin.encode(), hashlib.sha256)
