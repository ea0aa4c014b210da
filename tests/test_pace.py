"""Speed and remaining time from successive calls of a progress function."""

import pytest

from core.commands.common import fetch_progress
from core.pace import WINDOW, Pace, Transfer, duration


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_steady_download() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.see(0, 352_000_000) == Transfer(0, 352_000_000, None)
    for second in range(1, 13):
        clock.now = 1000 + second
        seen = pace.see(second * 9_300_000, 352_000_000)
    assert seen.rate == pytest.approx(9_300_000)
    assert seen.remaining == pytest.approx((352e6 - 12 * 9.3e6) / 9.3e6)
    assert seen.share == pytest.approx(12 * 9.3 / 352)
    assert seen.text == "112 of 352 MB, 9.3 MB/s, 26 s left"


def test_what_was_here_before_is_no_speed() -> None:
    """A download that is continued at 300 MB is not a fast one."""
    clock = Clock()
    pace = Pace(clock)
    assert pace.see(300_000_000, 352_000_000).rate is None
    clock.now += 2
    assert pace.see(302_000_000, 352_000_000).rate == pytest.approx(1e6)


def test_speed_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    pace = Pace(clock)
    done = 0
    for rate in [50_000_000] * 30 + [1_000_000] * (int(WINDOW) + 1):
        seen = pace.see(done, 0)
        clock.now += 1
        done += rate
    seen = pace.see(done, 0)
    assert seen.rate == pytest.approx(1_000_000)


def test_standstill_tells_no_time() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(15):
        clock.now += 1
        seen = pace.see(5_000_000, 10_000_000)
    assert (seen.rate, seen.remaining) == (0.0, None)
    assert seen.text == "5 of 10 MB, 0.0 MB/s"


def test_next_file_begins_anew() -> None:
    clock = Clock()
    pace = Pace(clock)
    pace.see(0, 100_000_000)
    clock.now += 1
    pace.see(100_000_000, 100_000_000)
    clock.now += 1
    assert pace.see(1_000_000, 8_000_000).rate is None


@pytest.mark.parametrize(
    ("transfer", "text"),
    [
        (Transfer(118_000_000, 352_000_000, 9_300_000), "118 of 352 MB, 9.3 MB/s, 25 s left"),
        (Transfer(118_000_000, 352_000_000), "118 of 352 MB"),
        (Transfer(118_000_000, 0, 9_300_000), "118 MB, 9.3 MB/s"),
        (Transfer(352_000_000, 352_000_000, 9_300_000), "352 of 352 MB"),
    ],
)
def test_text(transfer: Transfer, text: str) -> None:
    assert transfer.text == text


def test_share_never_exceeds_the_whole() -> None:
    assert [Transfer(3, 2).share, Transfer(1, 2).share, Transfer(1, 0).share] == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_line_at_the_terminal_wipes_out_a_longer_one(capsys: pytest.CaptureFixture[str]) -> None:
    show = fetch_progress("toy")
    show(99_000_000, 100_000_000)
    show(1_000_000, 9_000_000)
    show(9_000_000, 9_000_000)
    told = capsys.readouterr().err
    assert told == "fetching toy: 99 of 100 MB\rfetching toy: 1 of 9 MB   \rfetching toy: 9 of 9 MB   \n"
