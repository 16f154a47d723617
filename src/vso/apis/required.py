"""What an object must have before anything can be done for it.

The API server accepts objects without `spec` (api.md section 1), so what the schema calls required can still
be missing when the operator reads it.
"""

from functools import lru_cache
from typing import Final

import msgspec

from vso.apis import meta
from vso.apis.schema import Member, declared

_KINDS: Final = 64


def missing_members(obj: meta.Object) -> tuple[str, ...]:
    """Paths such as ``spec.mount`` of the required members of `obj.spec` that are absent or empty.

    Looks at the direct members of `spec` alone, and passes over those that the API server fills in.
    """
    spec = getattr(obj, "spec", None)
    if not isinstance(spec, msgspec.Struct):
        return ()
    return tuple(
        f"spec.{member.name}" for member in _required(type(spec)) if getattr(spec, member.attribute) == member.assumed
    )


@lru_cache(maxsize=_KINDS)
def _required(struct: type[msgspec.Struct]) -> tuple[Member, ...]:
    # Looking at annotations takes longer than all the rest of a reconcile that finds nothing to do.
    return tuple(one for one in declared(struct) if one.field.required and one.field.default is msgspec.UNSET)
