"""What can keep a secret from being what it should be, short of Vault's and the cluster's own errors.

    SyncError
    ├── ReferenceInvalid         malformed, or the named object does not exist or may not be used
    │   ├── AuthNotFound, ConnectionNotFound
    │   ├── NotAllowed           a namespace policy refuses it
    │   ├── PolicyRefused        the administrator of the operator does not permit it
    │   └── AuthInvalid          VaultAuth and VaultAuthGlobal do not add up to a login
    ├── ConnectionInvalid        address, headers or CA of the VaultConnection cannot be used
    ├── CredentialMissing        what the login needs is not in the cluster
    ├── StorageFailed            stored logins cannot be read, written or decrypted just now
    ├── TransformationInvalid    SecretTransformations and templates cannot be used
    ├── InvalidSpec              the resource itself asks for something impossible
    ├── RenderError              the data cannot be brought into the form of a Secret
    │   └── TemplateError        a template does not parse, fails, or takes too much
    ├── OwnershipError           the destination belongs to somebody else
    │   └── DestinationClaimed   another resource names the same destination, and goes first
    └── Unavailable              an earlier failure makes a try pointless for now
        ├── LoginSuspended       the identity's login failed and waits for its next attempt
        ├── ConnectionSuspended  the connection's breaker is open
        └── Deferred             the server has no room for the request just now
            └── Throttled        the connection's own limit has none

All but `Unavailable` are the user's to mend: the operator reports them and waits for a change, looking
again at long intervals. No text contains a secret.
"""

from collections.abc import Hashable


class SyncError(Exception):
    """Base of this layer's errors; the text is for people."""


class ReferenceInvalid(SyncError):
    """A reference cannot be followed."""


class AuthNotFound(ReferenceInvalid):
    """The VaultAuth does not exist."""


class ConnectionNotFound(ReferenceInvalid):
    """The VaultConnection does not exist."""


class NotAllowed(ReferenceInvalid):
    """The object exists but does not admit this namespace."""


class PolicyRefused(ReferenceInvalid):
    """The administrator of the operator does not permit it; the text names the flag."""


class AuthInvalid(ReferenceInvalid):
    """VaultAuth and VaultAuthGlobal do not add up to a login."""


class ConnectionInvalid(SyncError):
    """The VaultConnection cannot be turned into a client: address, headers or CA."""


class CredentialMissing(SyncError):
    """The ServiceAccount or Secret that a login needs is missing or unusable."""


class StorageFailed(SyncError):
    """The store of logins, or the key that encrypts them, cannot be used just now; logging in works without."""


class TransformationInvalid(SyncError):
    """A SecretTransformation does not exist, or something in a transformation cannot be used."""


class InvalidSpec(SyncError):
    """The resource asks for something that no state of Vault could satisfy."""


class RenderError(SyncError):
    """Vault's answer cannot be brought into the form of a Secret."""


class TemplateError(RenderError):
    """A template does not parse, fails, or takes too much; the text names it, and no value."""


class OwnershipError(SyncError):
    """The destination exists and is not this resource's."""


class DestinationClaimed(OwnershipError):
    """Another resource names the same destination and goes first."""


class Unavailable(SyncError):
    """An earlier failure makes a try pointless for now.

    `retry_in` is the number of seconds until the next attempt is due, `waits_for` what must recover, and
    `cause` the failure itself.
    """

    def __init__(self, message: str, *, retry_in: float, waits_for: Hashable, cause: Exception) -> None:
        super().__init__(message)
        self.retry_in = retry_in
        self.waits_for = waits_for
        self.cause = cause


class LoginSuspended(Unavailable):
    """The last login of this identity failed; all its resources wait for the one next attempt."""


class ConnectionSuspended(Unavailable):
    """The server does not answer, is sealed, or asks for patience."""


class Deferred(Unavailable):
    """The server answers, but is too slow for another request just now: no failure to report, unless it goes on."""


class Throttled(Deferred):
    """The connection's limit on requests is used up: however long that goes on, it is what was asked for."""
