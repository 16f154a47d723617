"""What the administrator permits beyond what users ask for. Pure.

The defaults permit what the original does, where that is safe (operations.md section 7, threats 13 to 19). Each
refusal names the flag, so that the reader knows whom to ask. Nothing that is refused reaches Vault.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vso.apis.merge import MergedAuth
from vso.apis.v1beta1 import AppRoleAuth, AwsAuth, JwtAuth, KubernetesAuth, VaultConnection
from vso.vault import is_within

ALL: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The limits of one operator; an empty list of methods, addresses or audiences limits nothing.

    `addresses` are URLs whose host may have ``*``. `ambient_namespaces` are those whose resources may log in with
    the cloud identity of the operator's Pod or node, ``*`` for all. Files are read below `credentials_directory` alone,
    "" for none. With `own_credentials` a VaultAuth may share what its own namespace holds.
    """

    operator_namespace: str = ""
    auth_methods: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    forbidden_audiences: tuple[str, ...] = ()
    ambient_namespaces: tuple[str, ...] = ()
    credentials_directory: str = ""
    own_credentials: bool = False

    def auth_problems(self, merged: MergedAuth) -> list[str]:
        """What the administrator does not permit of a VaultAuth, whoever uses it."""
        where = f"VaultAuth {merged.key}"
        return [f"{where}: {problem}" for problem in self._auth_problems(merged)]

    def use_problems(self, merged: MergedAuth, consumer: str) -> list[str]:
        """What the administrator does not permit to resources of the namespace `consumer`."""
        block = merged.block
        ambient = isinstance(block, AwsAuth) and not (block.secret_ref or block.irsa_service_account)
        if not ambient or _admits(self.ambient_namespaces, consumer):
            return []
        problem = (
            f"VaultAuth {merged.key}: namespace {consumer!r} may not log in with the cloud identity of the operator "
            "itself (--ambient-identity-namespaces); set spec.aws.secretRef or spec.aws.irsaServiceAccount"
        )
        return [problem]

    def connection_problems(self, connection: VaultConnection) -> list[str]:
        """What the administrator does not permit of a VaultConnection."""
        where, problems = f"VaultConnection {connection.key}", []
        if connection.spec.ca_cert_path:
            problems += [f"{where}: {one}" for one in self._file_problems("caCertPath", connection.metadata.namespace)]
        if self.addresses and not any(is_within(connection.spec.address, one) for one in self.addresses):
            problems.append(
                f"{where}: its address is none of those that this operator may reach (--allowed-vault-addresses)"
            )
        return problems

    def _auth_problems(self, merged: MergedAuth) -> Iterable[str]:
        block = merged.block
        if merged.method and self.auth_methods and merged.method not in self.auth_methods:
            yield (
                f"the method {merged.method} is not permitted by this operator (--allowed-auth-methods: "
                f"{', '.join(self.auth_methods)})"
            )
        if isinstance(block, KubernetesAuth | JwtAuth) and block.service_account:
            yield from self._audience_problems(block.audiences, merged.method)
        if isinstance(block, AppRoleAuth) and block.secret_id_path:
            yield from self._file_problems("spec.appRole.secretIDPath", merged.key.namespace)
        if merged.own_credentials and not self.own_credentials:
            yield (
                "spec.extensions.credentialsNamespace is Own, which this operator does not permit "
                "(--allow-own-credentials)"
            )

    def _audience_problems(self, audiences: Sequence[str], method: str) -> Iterable[str]:
        if not self.forbidden_audiences:
            return
        if not audiences:
            yield (
                f"spec.{method}.audiences is empty, so the token would be valid at the API server itself, which this "
                "operator does not permit (--forbidden-token-audiences); set the audience that the Vault role expects"
            )
        for one in audiences:
            if one in self.forbidden_audiences:
                yield f"spec.{method}.audiences has {one!r}, which is not permitted (--forbidden-token-audiences)"

    def _file_problems(self, name: str, namespace: str) -> Iterable[str]:
        if not self.credentials_directory:
            yield (
                f"{name} names a file of the operator's container, and no directory is open for that "
                "(--credentials-directory); use a Secret"
            )
        elif namespace != self.operator_namespace:
            yield (
                f"{name} is only permitted to objects of the operator's namespace, {self.operator_namespace}: "
                "use a Secret"
            )


def _admits(namespaces: Sequence[str], namespace: str) -> bool:
    return list(namespaces) == [ALL] or namespace in namespaces
