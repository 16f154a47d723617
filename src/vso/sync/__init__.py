"""What a secret should be, and the clients that read it. Mostly pure; knows no controller and no runtime.

`resolve` finds the login, `clients` keeps it, `render` makes the data, `mac` compares it, `ownership` plans the
write, `horizon` says when to look again.
"""

from vso.sync.authenticator import Authenticator, Cluster, Voucher
from vso.sync.certificate import TLS_TYPE, Renewal, Validity, compose, replace_at, validity_of
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
    StorageFailed,
    SyncError,
    TemplateError,
    Throttled,
    TransformationInvalid,
    Unavailable,
)
from vso.sync.horizon import RefreshBounds, back_horizon, first_look, lease_horizon, refresh_interval
from vso.sync.identities import CacheCounts
from vso.sync.identity import cache_key, client_id
from vso.sync.keystore import keystore
from vso.sync.login_observer import LoginObserver
from vso.sync.mac import KEY_LENGTH, Signer, digest
from vso.sync.orphan import Gap, gap_before_auth, gaps_behind_auth
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
from vso.sync.persistence import Cipher, Persistence, Storage, discard_all
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
from vso.sync.server import Limits, Observer, Server, Turn
from vso.sync.session import Access, Session
from vso.sync.stored_login import SELECTOR as ENTRY_SELECTOR
from vso.sync.stored_login import Entry, EntryInvalid, Version
from vso.sync.stored_login import name_of as entry_name
from vso.sync.template import Budget, Template, TemplateEngine, TemplateInput

__all__ = [
    "DEFAULT_TYPE",
    "ENTRY_SELECTOR",
    "KEY_LENGTH",
    "TLS_TYPE",
    "Access",
    "AuthInvalid",
    "AuthNotFound",
    "Authenticator",
    "Budget",
    "CacheCounts",
    "Cipher",
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
    "Entry",
    "EntryInvalid",
    "Gap",
    "InvalidSpec",
    "Limits",
    "LoginId",
    "LoginObserver",
    "LoginSuspended",
    "NotAllowed",
    "Observer",
    "OwnershipError",
    "Persistence",
    "Policy",
    "PolicyRefused",
    "ReferenceInvalid",
    "References",
    "RefreshBounds",
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
    "Storage",
    "StorageFailed",
    "SyncError",
    "Template",
    "TemplateEngine",
    "TemplateError",
    "TemplateInput",
    "Throttled",
    "TransformationInvalid",
    "Turn",
    "Unavailable",
    "Validity",
    "Version",
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
    "discard_all",
    "entry_name",
    "filter_keys",
    "fingerprint",
    "first_look",
    "gap_before_auth",
    "gaps_behind_auth",
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
    "validity_of",
]
