"""What an object must have before anything can be done for it.

The API server accepts objects without `spec` (api.md section 1), so what the schema calls required can still
be missing when the operator reads it.
"""

import msgspec

from vso.apis import meta
from vso.apis.schema import declared


def missing_members(obj: meta.Object) -> tuple[str, ...]:
    """Paths such as ``spec.mount`` of the required members of `obj.spec` that are absent or empty.

    Looks at the direct members of `spec` alone, and passes over those that the API server fills in.
    """
    spec = getattr(obj, "spec", None)
    if not isinstance(spec, msgspec.Struct):
        return ()
    return tuple(
        f"spec.{member.name}"
        for member in declared(type(spec))
        if member.field.required
        and member.field.default is msgspec.UNSET
        and getattr(spec, member.attribute) == member.assumed
    )
