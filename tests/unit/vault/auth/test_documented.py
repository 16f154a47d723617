"""The reference of login methods tells of those that there are, and of no other."""

import re
from pathlib import Path

from vso.apis.login import ALL_METHODS
from vso.vault import METHODS

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "auth-methods.md"


def test_every_method_has_a_row_that_says_how_it_was_tried() -> None:
    """And is one that the API accepts."""
    rows = [line.split("|")[1].strip() for line in PAGE.read_text().splitlines() if line.count("|") == 5]
    assert {row for row in rows if re.fullmatch("[a-zA-Z]+", row)} - {"Method"} == set(METHODS)
    assert set(METHODS) == set(ALL_METHODS)
