"""Which namespaces may use an object that others refer to (api.md section 5.3)."""

from collections.abc import Sequence

from vso.apis.meta import Key, Ref


def is_allowed(
    target_namespace: str,
    *,
    restricted: Key,
    allowed: Sequence[str],
    operator_namespace: str,
    enforce_on_default: bool = False,
) -> bool:
    """Whether objects of `target_namespace` may use `restricted`, whose `allowedNamespaces` is `allowed`.

    The object `default` of the operator's namespace is open to all, whatever its list says, unless
    `enforce_on_default` is set and the list is not empty (operations.md, threat 15). ``*`` counts only as the
    single entry of a list.
    """
    if target_namespace == restricted.namespace:
        return True
    if restricted == Key(operator_namespace, "default") and not (enforce_on_default and allowed):
        return True
    return is_listed(target_namespace, allowed)


def is_listed(namespace: str, allowed: Sequence[str]) -> bool:
    """Whether a list admits `namespace`: by name, or with ``*`` as its single entry."""
    return list(allowed) == ["*"] or namespace in allowed


def refusal(
    target_namespace: str, *, restricted: Ref, allowed: Sequence[str], place: str = "spec.allowedNamespaces"
) -> str:
    """Text for people about a use that is not allowed; the list stands at `place`."""
    listed = ", ".join(allowed) if allowed else "empty"
    return (
        f"namespace {target_namespace!r} may not use {restricted}: its {place} is {listed}; "
        f"add the namespace there, or refer to an object of your own namespace"
    )
