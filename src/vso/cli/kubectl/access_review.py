"""Asks the API server which rights the operator has: SubjectAccessReviews, one per right.

Whoever asks needs the right to ask (``create subjectaccessreviews``), which administrators have.
Source: operations.md section 5.1; authorization.k8s.io/v1.
"""

import asyncio
from collections.abc import Collection, Iterator
from typing import Final

from vso.apis import core
from vso.apis.meta import Key
from vso.cli.kubectl.facts import Known, Right, Unknown
from vso.controllers import PERMISSIONS
from vso.kube import Client, Forbidden

_SERVED: Final = "SERVED"


def rights_on(resources: Collection[str]) -> Iterator[Right]:
    """What the operator needs in a namespace that it serves, of the resources that count."""
    for permission in PERMISSIONS:
        if permission.where.name != _SERVED:
            continue
        for resource in permission.resources:
            if resource in resources:
                yield from (Right(verb, permission.group, resource, permission.why) for verb in permission.verbs)


async def missing_rights(
    client: Client, account: Key, namespace: str, resources: Collection[str]
) -> Known[tuple[Right, ...]]:
    """Which rights on `resources` the ServiceAccount `account` lacks in `namespace`."""
    rights = tuple(rights_on(resources))
    try:
        allowed = await asyncio.gather(*(_is_allowed(client, account, namespace, one) for one in rights))
    except Forbidden as exc:
        return Unknown(f"you may not ask for the rights of others: {exc}")
    return tuple(right for right, granted in zip(rights, allowed, strict=True) if not granted)


async def _is_allowed(client: Client, account: Key, namespace: str, right: Right) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = core.ResourceAttributes(
        namespace=namespace, verb=right.verb, group=right.group, resource=resource, subresource=subresource
    )
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{account.namespace}", "system:authenticated")
    user = f"system:serviceaccount:{account.namespace}:{account.name}"
    spec = core.SubjectAccessReviewSpec(user=user, groups=groups, resource_attributes=attributes)
    answer = await client.create(core.SUBJECT_ACCESS_REVIEW, core.SubjectAccessReview(spec=spec))
    return answer.status.allowed
