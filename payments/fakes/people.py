"""What a payer sees of a fake provider: the question on their phone, and the ways they may answer it."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

Answer = Literal["pay", "decline", "no_funds", "wrong_pin"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question on a payer's phone. `rail` is whose question it is."""

    id: str
    rail: str
    msisdn: str = field(repr=False)
    sentence: str
    amount_minor: int
    currency: str


class Asking(Protocol):
    """A fake that asks payers, and keeps books of its own: what it truly took and truly gave back."""

    def prompts(self, msisdn: str) -> list[Prompt]:
        """The questions that wait on this phone (E.164), oldest first."""

    def answer(self, prompt_id: str, answer: Answer) -> None:
        """The payer answers. Raises KeyError for a question that no longer waits."""

    def taken_minor(self, currency: str) -> int:
        """Minor units truly taken from payers, less what was truly given back: the provider's own word, to compare ours with."""
