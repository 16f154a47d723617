"""What `kubectl vso migrate` knows: one module per foreign source, as pure functions, in one table (`sources`)."""

from vso.cli.kubectl.migration.draft import Converted, Note, Surroundings, Weight, kind_of, manifest_of
from vso.cli.kubectl.migration.sources import SOURCES, Migration, convert_all, lost

__all__ = [
    "SOURCES",
    "Converted",
    "Migration",
    "Note",
    "Surroundings",
    "Weight",
    "convert_all",
    "kind_of",
    "lost",
    "manifest_of",
]
