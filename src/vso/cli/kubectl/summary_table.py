"""Summaries as the rows of a table. Pure, but for colours, which the terminal decides on."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from rich.text import Text

from vso.base import format_duration
from vso.cli.kubectl.output import show_age
from vso.cli.kubectl.summary import State, Summary

_STYLES: Final = {
    State.SYNCED: "green",
    State.FAILING: "bold red",
    State.PENDING: "yellow",
    State.CONTESTED: "yellow",
    State.DELETING: "dim",
    State.ENDED: "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Which columns there are: that of the `namespaces`, and those of the `wide` form."""

    namespaces: bool
    wide: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The headings."""
        before = ("NAMESPACE",) if self.namespaces else ()
        more = ("SECRET", "VAULTAUTH") if self.wide else ()
        return (*before, "KIND", "NAME", "STATE", "SYNCED", "NEXT", "LEFT", *more, "MESSAGE")

    def rows(self, summaries: Iterable[Summary], now: datetime) -> list[tuple[str | Text, ...]]:
        """The rows at the moment `now`."""
        return [self._row(one, now) for one in summaries]

    def _row(self, one: Summary, now: datetime) -> tuple[str | Text, ...]:
        before = (one.namespace,) if self.namespaces else ()
        more = (one.secret, one.vault_auth) if self.wide else ()
        state = Text(one.state, style=_STYLES[one.state])
        times = (show_age(_since(one.last_sync, now)), next_of(one, now), left_of(one, now))
        return (*before, one.kind, one.name, state, *times, *more, Text(one.message))


def next_of(one: Summary, now: datetime) -> str:
    """When Vault is asked next: in how long, or how often."""
    if one.next_sync is not None:
        return show_age(one.next_sync - now) if one.next_sync > now else "due"
    return f"every {format_duration(timedelta(seconds=one.every))}" if one.every else "-"


def left_of(one: Summary, now: datetime) -> str:
    """How long the lease or certificate lasts."""
    if one.expires is None:
        return "-"
    return show_age(one.expires - now) if one.expires > now else "over"


def _since(instant: datetime | None, now: datetime) -> timedelta | None:
    return None if instant is None else now - instant
