"""What a secret should be, and the clients that read it. Mostly pure; knows no controller and no runtime.

`resolve` finds the login, `clients` keeps it, `render` makes the data, `mac` compares it, `ownership` plans the
write, `horizon` says when to look again.
"""

from vso.sync.authenticator import Cluster, Voucher
from vso.sync.certificate import TLS_TYPE, Renewal, Validity, compose, replace_at
from vso.sync.client import Client, ClientMeta
from vso.sync.clients import Clients
from vso.sync.errors import (
    AuthInvalid,
    AuthNotFound,
    ConnectionInvalid,
    ConnectionNotFound,
    ConnectionSuspended,
    CredentialMissing,
    Deferred,
    DestinationClaimed,
    InvalidSpec,
    LoginSuspended,
    NotAllowed,
    OwnershipError,
    PolicyRefused,
    ReferenceInvalid,
    RenderError,
    SyncError,
    TemplateError,
    TransformationInvalid,
    Unavailable,
)
from vso.sync.horizon import back_horizon, first_look, lease_horizon, refresh_interval
from vso.sync.identity import cache_key, client_id
from vso.sync.keystore import keystore
from vso.sync.mac import KEY_LENGTH, Signer, digest
from vso.sync.ownership import (
    DEFAULT_TYPE,
    Destination,
    Step,
    Wanted,
    destination_of,
    has_owner_labels,
    is_orphan,
    marks,
    owner_labels,
    owner_reference,
    plan,
)
from vso.sync.policy import Policy
from vso.sync.render import Rendered, RenderOptions, check_secret, check_source, filter_keys, payload_of, render
from vso.sync.resolve import (
    ClientSpec,
    LoginId,
    References,
    Resolved,
    ServerId,
    check_connection,
    fingerprint,
    resolve,
    resolve_auth,
    server_id,
)
from vso.sync.server import Server, Turn
from vso.sync.session import Access, Session
from vso.sync.template import Budget, Template, TemplateEngine, TemplateInput

__all__ = [
    "DEFAULT_TYPE",
    "KEY_LENGTH",
    "TLS_TYPE",
    "Access",
    "AuthInvalid",
    "AuthNotFound",
    "Budget",
    "Client",
    "ClientMeta",
    "ClientSpec",
    "Clients",
    "Cluster",
    "ConnectionInvalid",
    "ConnectionNotFound",
    "ConnectionSuspended",
    "CredentialMissing",
    "Deferred",
    "Destination",
    "DestinationClaimed",
    "InvalidSpec",
    "LoginId",
    "LoginSuspended",
    "NotAllowed",
    "OwnershipError",
    "Policy",
    "PolicyRefused",
    "ReferenceInvalid",
    "References",
    "RenderError",
    "RenderOptions",
    "Rendered",
    "Renewal",
    "Resolved",
    "Server",
    "ServerId",
    "Session",
    "Signer",
    "Step",
    "SyncError",
    "Template",
    "TemplateEngine",
    "TemplateError",
    "TemplateInput",
    "TransformationInvalid",
    "Turn",
    "Unavailable",
    "Validity",
    "Voucher",
    "Wanted",
    "back_horizon",
    "cache_key",
    "check_connection",
    "check_secret",
    "check_source",
    "client_id",
    "compose",
    "destination_of",
    "digest",
    "filter_keys",
    "fingerprint",
    "first_look",
    "has_owner_labels",
    "is_orphan",
    "keystore",
    "lease_horizon",
    "marks",
    "owner_labels",
    "owner_reference",
    "payload_of",
    "plan",
    "refresh_interval",
    "render",
    "replace_at",
    "resolve",
    "resolve_auth",
    "server_id",
]
