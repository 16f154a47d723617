"""Go's text form of durations, read and written."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vso.base import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("90s", 90),
        ("1.5h", 5400),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("-1s", -1),
        ("+2m", 120),
        (".5s", 0.5),
        ("5.s", 5),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("250μs", 0.00025),
        ("1000000ns", 0.001),
    ],
)
def test_every_form_that_go_reads_is_read(text: str, seconds: float) -> None:
    """Values as in Go's documentation of ParseDuration."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "1d", "s", "1 s", "1h 30m", "1e3s", "--1s", "1s1", "∞", "9999999h"])
def test_what_go_refuses_is_refused_with_the_text_that_was_wrong(text: str) -> None:
    """The message quotes the value, so that it can be found in a manifest."""
    with pytest.raises(ValueError, match="invalid duration") as refusal:
        parse_duration(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (90, "1m30s"),
        (270.5, "4m30.5s"),
        (3600, "1h0m0s"),
        (0.25, "250ms"),
        (0.0015, "1.5ms"),
        (0.00025, "250µs"),
        (-61, "-1m1s"),
        (1, "1s"),
    ],
)
def test_durations_are_written_as_go_prints_them(seconds: float, text: str) -> None:
    """The forms that messages and metrics of the original have."""
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.timedeltas(min_value=timedelta(days=-9000), max_value=timedelta(days=9000)))
def test_what_is_written_is_read_back(value: timedelta) -> None:
    """Reading is the inverse of writing, to the microsecond."""
    assert parse_duration(format_duration(value)) == value
