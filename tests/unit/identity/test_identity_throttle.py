from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from watchword.identity.throttle import ACCOUNT, NETWORK, PASSKEYS, Bucket, ThrottleBook, after_failure, wait_s

_NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _after(failures: int, rule: object = ACCOUNT) -> Bucket:
    bucket = Bucket()
    for number in range(failures):
        bucket = after_failure(bucket, rule, _NOW, number.to_bytes(8))  # type: ignore[arg-type]
    return bucket


def test_the_first_failures_are_free() -> None:
    assert [wait_s(_after(number), ACCOUNT, _NOW) for number in range(5)] == [0] * 5


def test_each_further_failure_doubles_the_wait_up_to_the_cap() -> None:
    assert [wait_s(_after(number), ACCOUNT, _NOW) for number in range(5, 9)] == [1, 2, 4, 8]
    assert wait_s(_after(60), ACCOUNT, _NOW) == 900


def test_after_a_hundred_failures_in_a_row_one_try_a_day_is_left() -> None:
    assert wait_s(_after(99), ACCOUNT, _NOW) == 900
    assert wait_s(_after(100), ACCOUNT, _NOW) == 24 * 3600


def test_a_quiet_day_forgives() -> None:
    bucket = after_failure(_after(8), ACCOUNT, _NOW + timedelta(hours=25))
    assert bucket.failures == 1


def test_waiting_out_a_block_of_a_day_does_not_forgive() -> None:
    bucket = after_failure(_after(100), ACCOUNT, _NOW + timedelta(hours=24, minutes=1))
    assert bucket.failures == 101


def test_a_spray_is_counted_by_distinct_accounts() -> None:
    same = Bucket()
    for _ in range(500):
        same = after_failure(same, NETWORK, _NOW, b"one acct")
    assert wait_s(same, NETWORK, _NOW) == 0
    assert wait_s(_after(19, NETWORK), NETWORK, _NOW) == 0
    assert wait_s(_after(20, NETWORK), NETWORK, _NOW) == 2


def test_the_accounts_of_a_spray_are_remembered_only_up_to_a_bound() -> None:
    assert len(_after(10_000, NETWORK).members) == 40


def test_a_clock_set_back_by_a_year_does_not_lock_anybody_out_for_a_year() -> None:
    bucket = _after(30)
    assert wait_s(bucket, ACCOUNT, _NOW - timedelta(days=365)) <= 24 * 3600
    assert wait_s(_after(40, PASSKEYS), PASSKEYS, _NOW - timedelta(days=365)) == 300


def test_parallel_guesses_do_not_outrun_the_throttle() -> None:
    book = ThrottleBook()
    admitted = [book.admit("a", ACCOUNT, _NOW) == 0 for _ in range(1000)]
    assert sum(admitted) == 5
    for _ in range(5):
        book.fail("a", ACCOUNT, _NOW)
        book.release("a")
    assert book.admit("a", ACCOUNT, _NOW) == 1
    later = _NOW + timedelta(seconds=2)
    assert [book.admit("a", ACCOUNT, later) for _ in range(3)] == [0, 1, 1]


def test_attempts_that_end_well_leave_nothing_behind() -> None:
    book = ThrottleBook()
    for number in range(100):
        book.admit(str(number), ACCOUNT, _NOW)
        book.release(str(number))
    assert len(book) == 0


def test_throttled_attempts_are_counted_and_told_with_the_next_failure() -> None:
    book = ThrottleBook()
    book.restore("a", _after(8))
    assert all(book.admit("a", ACCOUNT, _NOW) for _ in range(50))
    assert book.fail("a", ACCOUNT, _NOW + timedelta(seconds=9))[1] == 50
    assert book.fail("a", ACCOUNT, _NOW + timedelta(seconds=9))[1] == 0


def test_the_book_is_bounded_and_forgets_the_oldest_first() -> None:
    book = ThrottleBook(capacity=10)
    for number in range(15):
        book.fail(str(number), ACCOUNT, _NOW)
    assert book.overflow() == ["0", "1", "2", "3", "4"]
    assert len(book) == 10
    assert book.overflow() == []


@pytest.mark.parametrize("rule", [ACCOUNT, NETWORK, PASSKEYS])
def test_success_is_admitted_again_after_the_wait(rule: object) -> None:
    bucket = _after(200, rule)
    assert wait_s(replace(bucket), rule, bucket.blocked_until) == 0  # type: ignore[arg-type]
