"""The circuit breaker: when it opens, when it lets one try, and when it closes again."""

import pytest

from bot.breaker import FIRST_SECONDS, IN_A_ROW, LONGEST_SECONDS, WINDOW, Breaker


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(IN_A_ROW):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_it_opens_after_faults_in_a_row_and_not_before(clock: Clock) -> None:
    breaker = Breaker(clock)
    for _ in range(IN_A_ROW - 1):
        breaker.failed()
    breaker.worked()
    breaker.failed()
    assert breaker.admits() and breaker.wait() == 0
    assert not opened(clock).admits()


def test_it_opens_when_half_of_the_last_ones_were_faults(clock: Clock) -> None:
    breaker = Breaker(clock)
    for number in range(WINDOW):
        assert breaker.admits(), number
        breaker.failed() if number % 2 else breaker.worked()
    assert not breaker.admits()


def test_after_its_pause_one_may_try_and_nobody_else_until_that_one_is_back(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now = FIRST_SECONDS - 1
    assert not breaker.admits() and breaker.wait() == 1
    clock.now = FIRST_SECONDS
    assert breaker.admits()
    assert not breaker.admits()
    breaker.worked()
    assert breaker.admits() and breaker.admits()


def test_each_failed_try_doubles_the_pause_up_to_the_longest(clock: Clock) -> None:
    breaker = opened(clock)
    pauses = []
    for _ in range(8):
        pauses.append(breaker.wait())
        clock.now += breaker.wait()
        assert breaker.admits()
        breaker.failed()
    assert pauses[:3] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]
    assert pauses[-1] == LONGEST_SECONDS


def test_a_try_that_was_not_made_leaves_it_to_the_next(clock: Clock) -> None:
    breaker = opened(clock)
    clock.now = FIRST_SECONDS
    assert breaker.admits()
    breaker.unused()
    assert breaker.admits()


def test_what_ends_late_does_not_open_it_a_second_time(clock: Clock) -> None:
    breaker = opened(clock)
    breaker.failed()
    breaker.worked()
    assert breaker.wait() == FIRST_SECONDS
    assert Breaker(clock).admits()


def test_it_opens_at_once_where_trying_is_of_no_use(clock: Clock) -> None:
    breaker = Breaker(clock)
    breaker.failed(at_once=True)
    assert not breaker.admits()
