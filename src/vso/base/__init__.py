"""What every layer may use: time, chance, durations, and values that must not be seen. Stdlib only."""

from vso.base.backoff import BackOff, jitter
from vso.base.clock import Clock, SystemClock, Timer
from vso.base.duration import format_duration, parse_duration
from vso.base.proxy import proxy_for
from vso.base.rate import RateLimit, TokenBucket
from vso.base.sensitive import Sensitive

__all__ = [
    "BackOff",
    "Clock",
    "RateLimit",
    "Sensitive",
    "SystemClock",
    "Timer",
    "TokenBucket",
    "format_duration",
    "jitter",
    "parse_duration",
    "proxy_for",
]
