"""What a request is for, from its path."""

import pytest

from vso.vault import Operation, operation_of


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("PUT", "auth/kubernetes/login", Operation.LOGIN),
        ("PUT", "auth/team/a/login", Operation.LOGIN),
        ("PUT", "auth/userpass/login/alice", Operation.LOGIN),
        ("GET", "auth/token/lookup-self", Operation.LOGIN),
        ("PUT", "auth/token/renew-self", Operation.RENEW_TOKEN),
        ("PUT", "auth/token/revoke-self", Operation.REVOKE_TOKEN),
        ("PUT", "auth/approle/role/app/secret-id/lookup", Operation.WRITE),
        ("GET", "kv/data/app", Operation.READ),
        ("GET", "database/creds/app", Operation.READ),
        ("GET", "transit/encrypt/key", Operation.READ),
        ("PUT", "pki/issue/web", Operation.WRITE),
        ("PUT", "login", Operation.WRITE),
        ("PUT", "kv/auth/login", Operation.WRITE),
        ("PUT", "sys/leases/renew", Operation.RENEW_LEASE),
        ("PUT", "sys/leases/revoke", Operation.REVOKE_LEASE),
        ("PUT", "sys/leases/lookup", Operation.WRITE),
        ("PUT", "transit/encrypt/key", Operation.ENCRYPT),
        ("PUT", "a/transit/decrypt/key", Operation.DECRYPT),
        ("PUT", "encrypt/key", Operation.WRITE),
        ("GET", "sys/seal-status", Operation.SEAL_STATUS),
    ],
)
def test_a_path_tells_what_it_is_for(method: str, path: str, operation: Operation) -> None:
    """Mounts may have slashes, and names like those of endpoints."""
    assert operation_of(method, path) is operation
