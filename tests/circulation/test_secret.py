"""A secret shows itself only when asked."""

import json
import logging
import traceback
from dataclasses import dataclass

import pytest

from circulation.secret import Secret


@dataclass
class Form:
    pin: Secret


def test_every_rendering_of_a_secret_is_masked() -> None:
    secret = Secret("4938")
    renderings = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r}",
        f"{secret:}",
        repr([secret]),
        repr(Form(secret)),
        json.dumps({"pin": secret}, default=str, ensure_ascii=False),
        "".join(traceback.format_exception_only(ValueError(secret))),
        logging.LogRecord("n", logging.INFO, "p", 1, "pin %s", (secret,), None).getMessage(),
    ]
    assert all("4938" not in rendering and "•••" in rendering for rendering in renderings)
    assert secret.reveal() == "4938"


def test_a_secret_is_not_written_as_json_by_accident() -> None:
    with pytest.raises(TypeError):
        json.dumps({"pin": Secret("4938")})


@pytest.mark.parametrize("text", ["1234", "١٢٣٤", "\ud800", ""])
def test_secrets_are_equal_by_their_text_in_any_script(text: str) -> None:
    assert Secret(text) == Secret(text)
    assert Secret(text) != Secret(text + "1")
    assert len({Secret(text), Secret(text)}) == 1


def test_a_secret_never_equals_its_text() -> None:
    assert (Secret("1234") == "1234") is False
