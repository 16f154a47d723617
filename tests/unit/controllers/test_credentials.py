"""What a login gets of Kubernetes, within the administrator's limits."""

import pytest

from tests.unit.controllers.bench import Cluster
from vso.apis.merge import GlobalOptions
from vso.apis.meta import ObjectMeta
from vso.apis.v1beta1 import AwsAuth, VaultAuth, VaultAuthSpec, VaultConnection, VaultConnectionSpec
from vso.controllers import new_world
from vso.controllers.credentials import FoundCredentials
from vso.sync import CredentialMissing, Policy, resolve
from vso.vault import METHODS

API_SERVER = "https://kubernetes.default.svc"
NOTES = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/web", "eks.amazonaws.com/audience": API_SERVER}


async def test_no_token_has_a_forbidden_audience_that_a_service_account_asks_for() -> None:
    """With IRSA it stands in an annotation, and the token goes to an endpoint that the VaultAuth names."""
    world = new_world("op")
    meta = ObjectMeta(name="vault", namespace="app", uid="1", generation=1)
    aws = AwsAuth(role="r", irsa_service_account="web", sts_endpoint="http://127.0.0.1:1")
    auth = VaultAuthSpec(vault_connection_ref="vault", method="aws", mount="aws", aws=aws)
    world.auths.observe(VaultAuth(metadata=meta, spec=auth))
    world.connections.observe(VaultConnection(metadata=meta, spec=VaultConnectionSpec(address="http://127.0.0.1:1")))
    policy = Policy(operator_namespace="op", forbidden_audiences=(API_SERVER,))
    options = GlobalOptions(operator_namespace="op")
    spec = resolve("vault", consumer="app", references=world, options=options, policy=policy)
    cluster = Cluster()
    cluster.put("ServiceAccount", "web", {"metadata": {"annotations": NOTES}})
    found = FoundCredentials(cluster, spec, policy)
    with pytest.raises(CredentialMissing, match="--forbidden-token-audiences"):
        await METHODS["aws"].request(found)
    assert (await found.token(audiences=("vault",), seconds=600)).reveal()
