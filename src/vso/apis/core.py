"""Kubernetes' own kinds, cut down to the fields that the operator reads or writes.

Source: the Kubernetes API reference of core/v1, apps/v1, coordination.k8s.io/v1, authentication.k8s.io/v1,
apiextensions.k8s.io/v1, and argoproj.io/v1alpha1 for Rollout.
"""

from datetime import datetime
from typing import Final

import msgspec

from vso.apis.meta import Kind, Object, ObjectMeta, Resource


class Secret(Object, frozen=True, kw_only=True):
    """`data` holds bytes here and base64 on the wire."""

    data: dict[str, bytes] | None = None
    type: str = ""
    immutable: bool | None = None


class ConfigMap(Object, frozen=True, kw_only=True):
    """A ConfigMap; `binaryData` is not used."""

    data: dict[str, str] | None = None


class ServiceAccount(Object, frozen=True, kw_only=True):
    """A ServiceAccount, of which the metadata alone matters."""


class NamespaceStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`phase` is ``Active`` or ``Terminating``."""

    phase: str = ""


class Namespace(Object, frozen=True, kw_only=True):
    """A namespace."""

    status: NamespaceStatus = NamespaceStatus()


class ObjectReference(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What an Event is about."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class EventSource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who reports an Event."""

    component: str = ""


class Event(Object, frozen=True, kw_only=True):
    """A core/v1 Event. `type` is ``Normal`` or ``Warning``."""

    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 0
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    source: EventSource = EventSource()
    reporting_component: str = ""
    reporting_instance: str = ""


class LeaseSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Who leads; times have microseconds on the wire."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: datetime | None = None
    renew_time: datetime | None = None
    lease_transitions: int | None = None


class Lease(Object, frozen=True, kw_only=True):
    """A coordination.k8s.io/v1 Lease, the lock of leader election."""

    spec: LeaseSpec = LeaseSpec()


class TokenRequestSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What kind of token is asked for; no audience means the API server's own."""

    audiences: tuple[str, ...] = ()
    expiration_seconds: int | None = None


class TokenRequestStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The token that was minted. Never log a value of this type."""

    token: str = ""
    expiration_timestamp: datetime | None = None

    def __repr__(self) -> str:
        return "TokenRequestStatus(token=***)"


class TokenRequest(Object, frozen=True, kw_only=True):
    """A request for a token of a ServiceAccount, and its answer."""

    spec: TokenRequestSpec = TokenRequestSpec()
    status: TokenRequestStatus = TokenRequestStatus()


class TokenReviewSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The token to be judged. Never log a value of this type."""

    token: str = ""

    def __repr__(self) -> str:
        return "TokenReviewSpec(token=***)"


class UserInfo(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Whose a token is."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class TokenReviewStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Whether the token is good, and whose it is."""

    authenticated: bool = False
    user: UserInfo = UserInfo()


class TokenReview(Object, frozen=True, kw_only=True):
    """A question to the API server, and its answer: whose token is this."""

    spec: TokenReviewSpec = TokenReviewSpec()
    status: TokenReviewStatus = TokenReviewStatus()


class NonResourceAttributes(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A path and what is done to it."""

    path: str = ""
    verb: str = ""


class ResourceAttributes(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """What somebody wants to do with objects of a kind."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    resource: str = ""
    subresource: str = ""


class SubjectAccessReviewSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Who wants to do what."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}
    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None


class SubjectAccessReviewStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The API server's verdict."""

    allowed: bool = False


class SubjectAccessReview(Object, frozen=True, kw_only=True):
    """A question to the API server, and its answer: whether a user may do something."""

    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()
    status: SubjectAccessReviewStatus = SubjectAccessReviewStatus()


class PodTemplate(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`spec.template` of a workload."""

    metadata: ObjectMeta = ObjectMeta()


class WorkloadSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """The part of a workload's spec that a restart touches."""

    paused: bool = False
    template: PodTemplate = PodTemplate()
    restart_at: datetime | None = None


class Workload(Object, frozen=True, kw_only=True):
    """A Deployment, StatefulSet, DaemonSet or Argo Rollout."""

    spec: WorkloadSpec = WorkloadSpec()


class ClusterTrustBundleSpec(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Certificate authorities, in PEM."""

    trust_bundle: str = ""


class ClusterTrustBundle(Object, frozen=True, kw_only=True):
    """A certificates.k8s.io ClusterTrustBundle; not every cluster serves it."""

    spec: ClusterTrustBundleSpec = ClusterTrustBundleSpec()


class DefinitionCondition(msgspec.Struct, frozen=True, kw_only=True):
    """One aspect of a CustomResourceDefinition."""

    type: str = ""
    status: str = ""
    message: str = ""


class DefinitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a CustomResourceDefinition."""

    conditions: tuple[DefinitionCondition, ...] = ()


class CustomResourceDefinition(Object, frozen=True, kw_only=True):
    """An apiextensions.k8s.io CustomResourceDefinition, of which the status alone is read."""

    status: DefinitionStatus = DefinitionStatus()

    def is_true(self, aspect: str) -> bool:
        """Whether the condition `aspect` is there and True."""
        return any(one.type == aspect and one.status == "True" for one in self.status.conditions)

    @property
    def complaint(self) -> str:
        """What the server has against it, "" if nothing."""
        return "; ".join(one.message for one in self.status.conditions if one.status == "False" and one.message)


SECRET: Final = Kind(Resource("", "v1", "secrets", "Secret"), Secret)
CONFIG_MAP: Final = Kind(Resource("", "v1", "configmaps", "ConfigMap"), ConfigMap)
SERVICE_ACCOUNT: Final = Kind(Resource("", "v1", "serviceaccounts", "ServiceAccount"), ServiceAccount)
NAMESPACE: Final = Kind(Resource("", "v1", "namespaces", "Namespace", namespaced=False), Namespace)
EVENT: Final = Kind(Resource("", "v1", "events", "Event"), Event)
LEASE: Final = Kind(Resource("coordination.k8s.io", "v1", "leases", "Lease"), Lease)
TOKEN_REQUEST: Final = Kind(Resource("authentication.k8s.io", "v1", "tokenrequests", "TokenRequest"), TokenRequest)
CLUSTER_TRUST_BUNDLES: Final = tuple(
    Kind(
        Resource("certificates.k8s.io", version, "clustertrustbundles", "ClusterTrustBundle", namespaced=False),
        ClusterTrustBundle,
    )
    for version in ("v1", "v1beta1", "v1alpha1")
)
"""The newest first: which of them a cluster serves depends on its release and on its feature gates."""
TOKEN_REVIEW: Final = Kind(
    Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False), TokenReview
)
SUBJECT_ACCESS_REVIEW: Final = Kind(
    Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False),
    SubjectAccessReview,
)
CUSTOM_RESOURCE_DEFINITION: Final = Kind(
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False),
    CustomResourceDefinition,
)
DEPLOYMENT: Final = Kind(Resource("apps", "v1", "deployments", "Deployment"), Workload)
STATEFUL_SET: Final = Kind(Resource("apps", "v1", "statefulsets", "StatefulSet"), Workload)
DAEMON_SET: Final = Kind(Resource("apps", "v1", "daemonsets", "DaemonSet"), Workload)
ARGO_ROLLOUT: Final = Kind(Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout"), Workload)


def reference_to(obj: Object) -> ObjectReference:
    """What an Event about `obj` names."""
    return ObjectReference(
        api_version=obj.api_version,
        kind=obj.kind,
        namespace=obj.metadata.namespace,
        name=obj.metadata.name,
        uid=obj.metadata.uid,
        resource_version=obj.metadata.resource_version,
    )
