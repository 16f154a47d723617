"""What begins and ends with a block: all of its parts are started, or none is left."""

import abc
import contextlib
from types import TracebackType
from typing import Self

from testenv.waiting import Report, quiet


class Lifetime(abc.ABC):
    """`with` starts it and stops it; it can be used once. `report` hears what takes its time."""

    def __init__(self, *, report: Report = quiet) -> None:
        self._report = report
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._begin(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @abc.abstractmethod
    def _begin(self, stack: contextlib.ExitStack) -> None:
        """Start each part, and leave on `stack` what stops it: at the end of the block, or at once on an error."""
