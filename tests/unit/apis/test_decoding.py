"""Objects as they are stored, however odd, and as they are written back."""

from typing import Any

import msgspec
import pytest

from vso.apis import core, meta
from vso.apis.kinds import KINDS, VAULT_CONNECTION, Definition, definition_of
from vso.apis.required import missing_members
from vso.apis.v1beta1 import (
    KubernetesAuth,
    VaultAuth,
    VaultConnection,
    VaultDynamicSecret,
    VaultPKISecret,
    VaultStaticSecret,
    VaultStaticSecretStatus,
)

each_kind = pytest.mark.parametrize("definition", KINDS, ids=lambda definition: definition.name)


def decode(type_: type[Any], value: object) -> Any:
    """`value` as it comes from the API server, as a struct."""
    return meta.decode(msgspec.json.encode(value), type_)


@each_kind
@pytest.mark.parametrize("extra", [{}, {"spec": {}}, {"spec": None, "status": None}, {"status": {}}])
def test_objects_without_content_load(definition: Definition, extra: dict[str, Any]) -> None:
    """What the API server accepts never stops a list."""
    obj = decode(definition.kind.type, {"metadata": {"name": "a", "namespace": "b"}, **extra})
    assert obj.key == meta.Key("b", "a")
    assert obj.spec == type(obj.spec)()


MISSING = {
    "VaultConnection": ("spec.address",),
    "VaultStaticSecret": ("spec.mount", "spec.path", "spec.type", "spec.destination"),
    "VaultDynamicSecret": ("spec.mount", "spec.path", "spec.destination"),
    "VaultPKISecret": ("spec.mount", "spec.role", "spec.destination"),
    "CSISecrets": ("spec.accessControl", "spec.secrets"),
    "HCPAuth": ("spec.organizationID", "spec.projectID"),
    "HCPVaultSecretsApp": ("spec.appName", "spec.destination"),
}


@each_kind
def test_an_object_without_spec_names_what_it_lacks(definition: Definition) -> None:
    """So a controller can call it invalid, with the members to add."""
    assert missing_members(definition.kind.type()) == MISSING.get(definition.name, ())


def test_what_is_set_is_not_missing() -> None:
    """A destination counts as set once it has a name."""
    spec = {"mount": "kv", "path": "a", "type": "kv-v2", "destination": {"name": "b"}}
    assert missing_members(decode(VaultStaticSecret, {"spec": spec})) == ()
    assert missing_members(core.Secret()) == ()


def test_nulls_count_as_absent_at_any_depth() -> None:
    """Objects stored before a schema pruned them may hold nulls."""
    auth = decode(
        VaultAuth,
        {
            "metadata": {"name": "a", "annotations": None, "labels": {"x": None, "y": "z"}},
            "spec": {"mount": None, "kubernetes": {"role": None, "audiences": ["vault"]}, "jwt": None},
            "status": {"conditions": None},
        },
    )
    assert auth.metadata.labels == {"y": "z"}
    assert auth.spec.kubernetes == KubernetesAuth(audiences=("vault",))
    assert auth.spec.jwt is None


def test_values_outside_the_schema_load() -> None:
    """Patterns, limits and enumerations are the API server's business."""
    spec = {"type": "kv-v9", "refreshAfter": "soon", "version": -1, "unknown": {"a": 1}}
    secret = decode(VaultStaticSecret, {"spec": spec})
    assert (secret.spec.type, secret.spec.refresh_after, secret.spec.version) == ("kv-v9", "soon", -1)


def test_a_condition_without_its_members_loads() -> None:
    """Every member of a status is optional when it is read (R28)."""
    status = decode(VaultStaticSecretStatus, {"conditions": [{"type": "Ready"}, {}]})
    assert [entry.type for entry in status.conditions] == ["Ready", ""]
    assert status.conditions[0].last_transition_time == meta.NEVER


def test_a_wrong_shape_is_told_without_its_value() -> None:
    """The text names the place; the value may be a secret."""
    with pytest.raises(msgspec.ValidationError, match=r"\$\.spec\.address") as caught:
        decode(VaultConnection, {"spec": {"address": ["hunter2"]}})
    assert "hunter2" not in str(caught.value)


def test_text_that_is_no_json_is_told_apart() -> None:
    """A proxy's error page is no odd object."""
    with pytest.raises(msgspec.DecodeError):
        meta.decode(b"<html>", VaultConnection)


EMPTY_STATUS = {
    "VaultConnection": {"valid": False},
    "VaultAuth": {},
    "VaultAuthGlobal": {"valid": False, "error": ""},
    "VaultStaticSecret": {"lastGeneration": 0},
    "VaultDynamicSecret": {
        "lastRenewalTime": 0,
        "lastGeneration": 0,
        "secretLease": {"id": "", "duration": 0, "renewable": False, "requestID": ""},
    },
    "VaultPKISecret": {"lastGeneration": 0, "lastRotation": 0, "valid": False, "error": ""},
    "SecretTransformation": {"valid": False, "error": ""},
    "CSISecrets": {},
    "HCPAuth": {"valid": False, "error": ""},
    "HCPVaultSecretsApp": {"lastGeneration": 0},
}


@each_kind
def test_a_status_of_zeros_is_written_whole(definition: Definition) -> None:
    """The members that the original's schemas demand are there, and no others."""
    assert msgspec.to_builtins(type(definition.kind.type().status)()) == EMPTY_STATUS[definition.name]


@each_kind
def test_an_object_that_has_no_status_is_written_without(definition: Definition) -> None:
    """Creating an object says nothing about its status."""
    assert msgspec.json.decode(meta.encode(definition.kind.type(kind="X"))) == {"kind": "X"}


def test_values_that_differ_from_unset_survive_a_round_trip() -> None:
    """An explicit false or zero that the API server would default is kept; an empty block, too."""
    spec = {"hmacSecretData": False, "destination": {"name": "a", "transformation": {}}}
    secret = decode(VaultStaticSecret, {"spec": spec})
    assert msgspec.to_builtins(secret.spec) == spec
    assert decode(VaultDynamicSecret, {"spec": {"renewalPercent": 0}}).spec.renewal_percent == 0
    assert msgspec.to_builtins(decode(VaultDynamicSecret, {"spec": {"renewalPercent": 0}}).spec) == {
        "renewalPercent": 0
    }


def test_what_the_operator_assumes_for_unset_fields() -> None:
    """Even if no schema filled in the defaults."""
    assert decode(VaultDynamicSecret, {}).spec.renewal_percent == 67
    assert not decode(VaultStaticSecret, {}).spec.hmac_secret_data
    assert decode(VaultPKISecret, {}).status.valid is False


def test_extensions_have_their_own_block() -> None:
    """What the original does not know stands below `extensions`, and is left out while empty."""
    status = VaultStaticSecretStatus()
    assert "extensions" not in msgspec.to_builtins(status)
    mine = {"extensions": {"restartedPayload": "bWFj"}, "lastGeneration": 1}
    assert msgspec.to_builtins(decode(VaultStaticSecretStatus, mine)) == mine


def test_a_kind_that_is_not_ours_has_no_definition() -> None:
    """A look-up by a wrong kind fails at once."""
    assert definition_of(VAULT_CONNECTION).condition_prefix == "VaultConnection"
    with pytest.raises(KeyError):
        definition_of(core.SECRET)
