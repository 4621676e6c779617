"""Asking the network whose phone it is, in the shape of CAMARA's Know Your Customer Match, version 0.3.

The worker asks; a turn of a conversation only files the question and reads what came of it. Asking changes nothing at the
network, so a question without a clear answer is simply asked again, for as long as the giver may still be there.
https://github.com/camaraproject/KnowYourCustomer (kyc-match.yaml of release r2.2).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait

import structlog

from circulation import names
from circulation.msisdn import Msisdn
from circulation.names import Known, Question
from payments.gateway import NotTaken, Unanswered
from payments.provider_http import Caller, Token
from storage.database import Database

SCOPE = "kyc-match:match"
BATCH = 8
TIMEOUT_SECONDS = 3.0
"""The giver types a message meanwhile; an answer that takes longer comes too late to be read."""
LEASE_SECONDS = 15.0
"""Longer than one question takes: a token and an answer, each asked for twice at worst."""
PAUSES = (2, 5, 15)
"""Seconds until the network is asked again after no clear answer; after one more it is unknown."""

_ANSWERS: Mapping[str, Known] = {"true": "match", "false": "no_match", "not_available": "unknown"}

log = structlog.get_logger(__name__)


class SubscriberLookup:
    """One operator's subscriber data, at `base_url`, with a token from `token_path` there (OAuth client credentials).

    Safe to use from several threads.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        token_path: str = "/oauth2/token",  # noqa: S107 - a path
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._caller = Caller(base_url, timeout_seconds)
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        pair = (client_id, client_secret)
        self._token = Token(lambda: self._caller.call("POST", token_path, basic=pair, form=form, answers={400, 401}))

    def match(self, msisdn: Msisdn, given_name: str) -> Known:
        """Whether the subscriber with this number has this first name; `unknown` when the network has no such number, or no
        name to compare, or says something else.

        Raises Unanswered and NotTaken, and nothing else.
        """
        body = {"phoneNumber": msisdn.e164, "givenName": given_name}
        answer = self._caller.call("POST", "/kyc-match/v0.3/match", token=self._token, body=body)
        if answer.status >= 400:
            return "unknown"
        return _ANSWERS.get(answer.word("givenNameMatch"), "unknown")


class NameChecks:
    """The questions about names, worked off. Several workers may do so at once; each question is in the hands of one."""

    def __init__(self, database: Database, lookup: SubscriberLookup) -> None:
        self._database = database
        self._lookup = lookup
        self._askers = ThreadPoolExecutor(BATCH, thread_name_prefix="names")

    def __call__(self) -> int:
        """Ask what is due now. Returns how many questions were taken in hand."""
        with self._database.begin() as db:
            questions = names.claim(db, batch=BATCH, lease=LEASE_SECONDS)
        jobs = [self._askers.submit(self._ask, question) for question in questions]
        wait(jobs)
        for job in jobs:
            job.result()
        return len(jobs)

    def _ask(self, question: Question) -> None:
        answer: Known | None
        try:
            answer = self._lookup.match(question.msisdn, question.name)
        except (NotTaken, Unanswered) as unclear:
            if isinstance(unclear, NotTaken) and unclear.alarm:
                log.error("names.not_taken", check=question.id, code=unclear.code)
            answer = None
        with self._database.begin() as db:
            if answer is not None:
                names.answered(db, question, answer)
            elif question.attempt <= len(PAUSES):
                names.later(db, question, seconds=PAUSES[question.attempt - 1])
            else:
                names.answered(db, question, "unknown")
