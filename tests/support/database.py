"""A database engine of its own for one tenant, on the PostgreSQL of the session."""

from dataclasses import dataclass
from typing import Any, Final

from testenv import Postgres
from tests.support.tenant import Json, Tenant

KIND: Final = "VaultDynamicSecret"


@dataclass
class Database:
    """Names and shortcuts; `mount` is a database engine that the tenant's role may use."""

    tenant: Tenant
    postgres: Postgres
    mount: str

    def role(self, name: str = "app", **settings: Any) -> None:
        """A role for leased credentials; settings are those of `testenv`, such as ttl and max_ttl."""
        self.tenant.bao.admin.database_role(self.mount, name, **settings)

    def static_role(self, name: str, **settings: Any) -> str:
        """A role for one account whose password Vault rotates; the account's name."""
        account = f"{self.tenant.namespace}-{name}"
        self.postgres.create_role(account, "initial")
        self.tenant.bao.admin.database_static_role(self.mount, name, username=account, **settings)
        return account

    def ask(self, name: str, *, role: str = "app", **spec: Any) -> Json:
        """A VaultDynamicSecret for leased credentials of `role`."""
        return self.tenant.lease(name, mount=self.mount, path=f"creds/{role}", **spec)

    def ask_static(self, name: str, *, role: str, **spec: Any) -> Json:
        """A VaultDynamicSecret for the account of a static role."""
        path = f"static-creds/{role}"
        return self.tenant.lease(name, mount=self.mount, path=path, **{"allowStaticCreds": True, **spec})

    def wait_synced(self, name: str, timeout: float = 30) -> Json:
        """Wait until VaultDynamicSecret `name` is in sync."""
        return self.tenant.wait_synced(name, timeout, kind=KIND)

    def status(self, name: str) -> Json:
        """The status of VaultDynamicSecret `name`."""
        return self.tenant.status(KIND, name)

    def lease_id(self, name: str) -> str:
        """The lease that the status of `name` names."""
        return str(self.status(name).get("secretLease", {}).get("id", ""))

    def leases(self, role: str = "app") -> list[str]:
        """The leases of `role` that are alive in Vault."""
        return self.tenant.bao.admin.leases(f"{self.mount}/creds/{role}")

    def credentials(self, name: str) -> tuple[str, str]:
        """User and password in Secret `name`; empty if it has none."""
        data = self.tenant.data(name) or {}
        return data.get("username", b"").decode(), data.get("password", b"").decode()

    def works(self, name: str) -> bool:
        """Whether the credentials in Secret `name` log in."""
        user, password = self.credentials(name)
        return bool(user) and self.postgres.can_login(user, password)


def new_database(tenant: Tenant, postgres: Postgres) -> Database:
    """A database engine whose credentials the tenant's role may read, renew and revoke."""
    mount = f"db-{tenant.namespace}"
    tenant.bao.admin.enable_database(mount, postgres)
    tenant.bao.admin.policy(
        tenant.namespace,
        f'path "{tenant.mount}/*" {{ capabilities = ["read"] }}\n'
        f'path "{mount}/*" {{ capabilities = ["read", "update"] }}\n'
        'path "sys/leases/revoke" { capabilities = ["update"] }',
    )
    return Database(tenant, postgres, mount)


def remove_database(database: Database) -> None:
    """Revoke what is left and unmount the engine."""
    database.tenant.bao.admin.delete(f"sys/mounts/{database.mount}")
