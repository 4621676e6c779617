"""Here a phone does in a minute what people do in a year: the limits that stop programs are far away.

What those limits do is tested where they stand (tests/bot/test_loop_guard.py, tests/circulation/test_sending_limits.py).
"""

import pytest

from bot import loop_guard
from bot.config import Settings


@pytest.fixture
def settings(plain_settings: Settings) -> Settings:
    """Settings by which anybody may give as often as they like."""
    return plain_settings.model_copy(update={"gifts_a_day": 10**6, "strangers_a_day_per_prefix": 10**6})


@pytest.fixture(autouse=True)
def no_loop_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is taken for a program."""
    monkeypatch.setattr(loop_guard, "MOST", 10**6)
    monkeypatch.setattr(loop_guard, "MOST_IDLE", 10**6)
