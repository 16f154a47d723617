"""Which objects this installation is responsible for, and which it may read at all. Pure.

By namespace, by the labels of the namespace, and by the class that a resource names (D33, operations.md section 5.2,
regressions R32).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vso.apis.meta import Key, Object
from vso.apis.names import CLASS
from vso.apis.selector import Selector
from vso.sync import ReferenceInvalid


class NotWatched(ReferenceInvalid):
    """A reference leads into a namespace that the operator does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jurisdiction:
    """What an installation handles: resources of its class, in its namespaces.

    `namespaces` are all that it reads, and none at all means every one; `selector` narrows down those whose resources
    it handles. `operator_class` is "" for the installation of resources that name no class.
    """

    operator_namespace: str = ""
    namespaces: frozenset[str] = frozenset()
    selector: Selector | None = None
    operator_class: str = ""

    def covers(self, obj: Object, namespace_labels: Mapping[str, str] | None) -> bool:
        """Whether `obj` is handled, given the labels of its namespace (None: it is not known)."""
        if class_of(obj) != self.operator_class:
            return False
        return self.selector is None or (namespace_labels is not None and self.selector.admits(namespace_labels))

    def explain(self, obj: Object) -> str:
        """Why `obj`, which was handled before, is not any more."""
        new = class_of(obj)
        if new == self.operator_class:
            return f"The namespace {obj.metadata.namespace} is not among those that --namespace-selector selects"
        return (
            f"The resource is now of {_named(new)}: the operator of {_named(self.operator_class)} lets go of it, and "
            "leaves its Secret as it is"
        )

    def check_readable(self, key: Key, *, shared: bool) -> None:
        """Raise NotWatched if `key` is in a namespace that is not read; `shared` kinds are in the operator's own too.

        Without this, an object that exists would be said not to.
        """
        if not self.namespaces or key.namespace in self.namespaces:
            return
        if shared and key.namespace == self.operator_namespace:
            return
        raise NotWatched(
            f"{key} is in a namespace that is not among those this operator watches (--watch-namespaces): refer to an "
            f"object in one of them{' or in ' + self.operator_namespace if shared else ''}, or have the administrator "
            f"add {key.namespace}"
        )


EVERYTHING: Final = Jurisdiction()
"""All that names no class."""


def class_of(obj: Object) -> str:
    """The class that a resource names, "" for none."""
    return obj.metadata.labels.get(CLASS, "")


def _named(operator_class: str) -> str:
    return f'class "{operator_class}"' if operator_class else "no class"
