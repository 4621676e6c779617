"""PINs and agreements: what stands for a customer's signature. argon2id with a pepper kept outside the database."""

import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from circulation import members
from circulation.attempts import AGREEMENT, PIN, Attempts
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

    def check_number(self, phone: Msisdn, right: bool) -> None:
        """The number we sent stood for the PIN; was it the `right` one? Raises Refusal `wrong_agreement` or `locked`."""
        wait = self._attempts.reserve(AGREEMENT, phone.e164)
        if not right:
            raise Refusal("locked", until=wait) if wait else Refusal("wrong_agreement")
        self._attempts.clear(AGREEMENT, phone.e164)

    def _peppered(self, pin: str) -> bytes:
        return hmac.digest(self._pepper, pin.encode(), hashlib.sha256)
