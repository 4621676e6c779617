"""The questions that providers put on a phone ("Do you want to pay ...?"), and the answers of whoever holds it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import requests

from phones.handset import NetworkFault

Answer = Literal["pay", "decline", "no_funds", "wrong_pin"]
"""What a payer may do; the last two are what they would rather not."""

LOOK_SECONDS = (0.3, 1.0)
"""To connect, and to answer: whoever asks this holds up a web thread, twice a second."""
ANSWER_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Question:
    """A question that waits on the phone `msisdn` (E.164). `rail` is whose it is."""

    id: str
    rail: str
    msisdn: str
    sentence: str


class Questions:
    """The questions of the providers at `base`; empty: there are none, and nobody is asked."""

    def __init__(self, base: str) -> None:
        self._base = base

    def waiting(self, numbers: Collection[str]) -> list[Question]:
        """What waits on these phones, oldest first for each. Nothing while the providers do not answer."""
        if not self._base or not numbers:
            return []
        try:
            answer = self._ask("GET", "/people/prompts", LOOK_SECONDS, params={"msisdn": list(numbers)})
            asked: list[dict[str, Any]] = answer.json()["prompts"] if answer.ok else []
        except requests.RequestException:
            return []  # they are started beside the product, a little later and not always
        return [Question(one["id"], one["rail"], one["msisdn"], one["sentence"]) for one in asked]

    def answer(self, question_id: str, answer: Answer) -> None:
        """Answer one; nothing happens when it no longer waits. Raises NetworkFault when the providers do not take it."""
        if not self._base:
            return
        try:
            taken = self._ask(
                "POST", f"/people/prompts/{quote(question_id)}", (ANSWER_SECONDS,) * 2, json={"answer": answer}
            )
        except requests.RequestException as error:
            raise NetworkFault(f"the provider did not answer ({type(error).__name__})") from None
        if not taken.ok and taken.status_code != requests.codes.not_found:
            raise NetworkFault(f"the provider answered {taken.status_code}", taken.status_code)

    def _ask(self, method: str, path: str, timeout: tuple[float, float], **what: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a proxy meant for the outside world must not see these
            return session.request(method, self._base + path, timeout=timeout, allow_redirects=False, **what)
