"""VaultAuth with VaultAuthGlobal: choosing, merging, and what is wrong with the result."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from vso.apis import meta
from vso.apis.merge import (
    GlobalOptions,
    MergedAuth,
    MergeError,
    choose_global,
    connection_problems,
    login_problems,
    merge,
)
from vso.apis.meta import Key
from vso.apis.v1beta1 import (
    AppRoleAuth,
    KubernetesAuth,
    StorageEncryption,
    VaultAuth,
    VaultAuthGlobal,
    VaultAuthSpec,
)

OPERATOR: Final = "vso"
COMPLETE: Final[dict[str, Any]] = {
    "kubernetes": {"role": "r", "serviceAccount": "s"},
    "jwt": {"role": "r", "serviceAccount": "s"},
    "appRole": {"roleId": "r", "secretRef": "s"},
    "aws": {"role": "r"},
    "gcp": {"role": "r", "workloadIdentityServiceAccount": "s"},
}


def make_auth(name: str = "shop/auth", /, **spec: Any) -> VaultAuth:
    """A VaultAuth from JSON-like values, which refers to a global unless told otherwise."""
    spec.setdefault("vaultAuthGlobalRef", {"name": "shared"})
    namespace, name = name.split("/")
    raw = {"metadata": {"namespace": namespace, "name": name}, "spec": spec}
    return meta.decode(meta.encode(raw), VaultAuth)


def make_global(name: str = "vso/shared", /, **spec: Any) -> VaultAuthGlobal:
    """A VaultAuthGlobal from JSON-like values."""
    namespace, name = name.split("/")
    raw = {"metadata": {"namespace": namespace, "name": name}, "spec": spec}
    return meta.decode(meta.encode(raw), VaultAuthGlobal)


def merged(auth: VaultAuth, shared: VaultAuthGlobal | None) -> MergedAuth:
    """The merge, in an operator that lives in `OPERATOR`."""
    return merge(auth, shared, operator_namespace=OPERATOR)


def complete(**spec: Any) -> dict[str, Any]:
    """The spec of a global that is enough by itself, but for `spec`."""
    return {"defaultAuthMethod": "kubernetes", "defaultMount": "k8s", "kubernetes": COMPLETE["kubernetes"], **spec}


# Choosing


def finder(*names: str, **spec: Any) -> Callable[[Key], VaultAuthGlobal | None]:
    """A look-up that knows the globals `names`."""
    spec.setdefault("allowedNamespaces", ["*"])
    known = {Key(*name.split("/")): make_global(name, **spec) for name in names}
    return known.get


@pytest.mark.parametrize(
    ("ref", "known", "wanted"),
    [
        ({"name": "shared"}, ["shop/shared", "vso/shared"], "shop/shared"),
        ({"name": "shared", "namespace": "vso"}, ["shop/shared", "vso/shared"], "vso/shared"),
        ({"name": "shared", "allowDefault": True}, ["shop/shared", "shop/default"], "shop/shared"),
        ({"allowDefault": True}, ["shop/default", "vso/default"], "shop/default"),
        ({"allowDefault": True}, ["vso/default"], "vso/default"),
        ({"allowDefault": True, "namespace": "team"}, ["team/default", "shop/default"], "team/default"),
    ],
)
def test_a_reference_chooses_a_global(ref: dict[str, Any], known: list[str], wanted: str) -> None:
    """By name, or by the name default where that is permitted; the VaultAuth's namespace comes first."""
    shared = choose_global(
        make_auth(vaultAuthGlobalRef=ref), finder(*known), options=GlobalOptions(operator_namespace=OPERATOR)
    )
    assert shared is not None
    assert str(shared.key) == wanted


@pytest.mark.parametrize(
    ("ref", "known", "text"),
    [
        ({"name": "shared"}, ["shop/default", "vso/shared"], "VaultAuthGlobal shop/shared was not found"),
        ({"name": "shared", "allowDefault": True}, ["shop/default"], "shop/shared was not found"),
        ({}, ["shop/default"], "empty name"),
        ({"namespace": "vso"}, ["vso/default"], "empty name"),
        ({"allowDefault": True}, [], "shop/default or vso/default was not found"),
        ({"allowDefault": True, "namespace": "team"}, ["shop/default"], "team/default was not found"),
    ],
)
def test_a_reference_that_chooses_nothing_is_an_error(ref: dict[str, Any], known: list[str], text: str) -> None:
    """There is no fall-back from a name to default, and the text names where was searched."""
    with pytest.raises(MergeError, match=text):
        choose_global(
            make_auth(vaultAuthGlobalRef=ref), finder(*known), options=GlobalOptions(operator_namespace=OPERATOR)
        )


def test_the_operators_own_namespace_is_searched_once() -> None:
    """A VaultAuth that lives there names it once when nothing is found."""
    with pytest.raises(MergeError, match=r"VaultAuthGlobal vso/default was not found"):
        choose_global(
            make_auth("vso/auth", vaultAuthGlobalRef={"allowDefault": True}),
            finder(),
            options=GlobalOptions(operator_namespace=OPERATOR),
        )


@pytest.mark.parametrize("ref", [{"allowDefault": True}, {"name": "shared", "allowDefault": True}])
def test_defaults_can_be_switched_off(ref: dict[str, Any]) -> None:
    """Then even a named reference must not ask for them."""
    with pytest.raises(MergeError, match="does not permit"):
        choose_global(
            make_auth(vaultAuthGlobalRef=ref),
            finder("shop/shared", "shop/default"),
            options=GlobalOptions(operator_namespace=OPERATOR, allow_default=False),
        )


def test_a_global_of_another_namespace_must_allow_the_auths_namespace() -> None:
    """The text names the global and its list."""
    auth = make_auth(vaultAuthGlobalRef={"name": "shared", "namespace": "team"})
    options = GlobalOptions(operator_namespace=OPERATOR)
    with pytest.raises(MergeError, match=r"may not use VaultAuthGlobal team/shared.* other;"):
        choose_global(auth, finder("team/shared", allowedNamespaces=["other"]), options=options)
    assert choose_global(auth, finder("team/shared", allowedNamespaces=["shop"]), options=options) is not None


def test_the_list_of_the_operators_default_counts_when_enforced() -> None:
    """It is open to all otherwise."""
    auth = make_auth(vaultAuthGlobalRef={"allowDefault": True})
    find = finder("vso/default", allowedNamespaces=["other"])
    assert choose_global(auth, find, options=GlobalOptions(operator_namespace=OPERATOR)) is not None
    with pytest.raises(MergeError, match="may not use"):
        choose_global(auth, find, options=GlobalOptions(operator_namespace=OPERATOR, enforce_on_default=True))


def test_no_reference_chooses_none() -> None:
    """A default global is never used unasked."""
    auth = make_auth(vaultAuthGlobalRef=None)
    options = GlobalOptions(operator_namespace=OPERATOR)
    assert choose_global(auth, finder("shop/default"), options=options) is None


# Scalars

SCALARS: Final = [
    ("mount", {"mount": "own"}, {"mount": "block"}, "own"),
    ("mount", {}, {"mount": "block"}, "block"),
    ("mount", {}, {}, "common"),
    ("namespace", {"namespace": "own"}, {"namespace": "block"}, "own"),
    ("namespace", {}, {"namespace": "block"}, "block"),
    ("namespace", {}, {}, "common"),
    ("connection_ref", {"vaultConnectionRef": "own"}, {}, "own"),
    ("connection_ref", {}, {}, "common"),
    ("method", {"method": "kubernetes"}, {}, "kubernetes"),
    ("method", {}, {}, "jwt"),
]


@pytest.mark.parametrize(("field", "own", "block", "wanted"), SCALARS)
def test_the_first_value_that_is_set_counts(
    field: str, own: dict[str, Any], block: dict[str, Any], wanted: str
) -> None:
    """From the VaultAuth, then the global's block of the method, then the global's defaults."""
    shared = make_global(
        defaultAuthMethod="jwt",
        defaultMount="common",
        defaultVaultNamespace="common",
        vaultConnectionRef="common",
        kubernetes=COMPLETE["kubernetes"],
        jwt={**COMPLETE["jwt"], **block},
    )
    assert getattr(merged(make_auth(**own), shared), field) == wanted


def test_values_of_another_methods_block_do_not_count() -> None:
    """Only the block of the method in force is looked at."""
    shared = make_global(**complete(jwt={**COMPLETE["jwt"], "mount": "jwt", "headers": {"A": "b"}}))
    auth = make_auth(vaultAuthGlobalRef={"name": "s", "mergeStrategy": {"headers": "union"}})
    result = merged(auth, shared)
    assert (result.mount, result.headers) == ("k8s", {})


def test_what_is_unset_everywhere_may_be_empty() -> None:
    """Vault namespace and connection have meanings when empty."""
    result = merged(make_auth(), make_global(**complete()))
    assert (result.namespace, result.connection_ref) == ("", "")


def test_the_operators_default_keeps_the_default_connection() -> None:
    """Its empty reference is settled before it could inherit one."""
    shared = make_global(**complete(vaultConnectionRef="team/other"))
    assert merged(make_auth("vso/default"), shared).connection_ref == "default"
    assert merged(make_auth("vso/default"), None).connection_ref == "default"
    assert merged(make_auth("shop/default"), shared).connection_ref == "team/other"


def test_lists_of_namespaces_and_encryption_are_never_inherited() -> None:
    """They are always the VaultAuth's own."""
    own = {"allowedNamespaces": ["a"], "storageEncryption": {"mount": "transit", "keyName": "k"}}
    result = merged(make_auth(**own), make_global(**complete(allowedNamespaces=["b"])))
    assert result.allowed_namespaces == ("a",)
    assert result.storage_encryption == StorageEncryption(mount="transit", key_name="k")


# Blocks


@pytest.mark.parametrize("method", COMPLETE)
def test_a_block_is_inherited_whole(method: str) -> None:
    """Without the fields that only a global has."""
    block = {**COMPLETE[method], "mount": "m", "namespace": "n", "headers": {"a": "b"}, "params": {"c": "d"}}
    result = merged(make_auth(method=method), make_global(**{method: block}))
    own = make_auth(**{method: COMPLETE[method]}).spec
    expected = next(value for value in (own.kubernetes, own.jwt, own.app_role, own.aws, own.gcp) if value)
    assert result.block == expected
    assert type(result.block) is type(expected)


@pytest.mark.parametrize("method", COMPLETE)
def test_an_own_block_stays_as_it_is_when_nothing_is_inherited(method: str) -> None:
    """It is not even judged; that happens at login."""
    result = merged(make_auth(**{"method": method, method: {}}), make_global(defaultMount="m"))
    assert result.block is not None
    assert result.block == type(result.block)()
    assert login_problems(result)


def test_blocks_combine_field_by_field() -> None:
    """Own values win unless empty, and lists are taken whole."""
    theirs = {"role": "a", "serviceAccount": "b", "audiences": ["x", "y"], "tokenExpirationSeconds": 900}
    shared = make_global(**complete(kubernetes=theirs))
    auth = make_auth(kubernetes={"role": "own", "audiences": ["z"], "tokenExpirationSeconds": 600})
    assert merged(auth, shared).block == KubernetesAuth(
        role="own", service_account="b", audiences=("z",), token_expiration_seconds=600
    )
    assert merged(make_auth(kubernetes={}), shared).block == KubernetesAuth(
        role="a", service_account="b", audiences=("x", "y"), token_expiration_seconds=900
    )


def test_blocks_of_other_methods_are_ignored() -> None:
    """However incomplete they are."""
    result = merged(make_auth(aws={}, jwt={}), make_global(**complete(gcp={})))
    assert isinstance(result.block, KubernetesAuth)


# Headers and params


@pytest.mark.parametrize("field", ["headers", "params"])
@pytest.mark.parametrize(
    ("strategy", "own", "block", "wanted"),
    [
        (None, {"a": "1"}, {"b": "2"}, {"a": "1"}),
        (None, {}, {"b": "2"}, {}),
        ("none", {}, {"b": "2"}, {}),
        ("union", {"a": "1"}, {"a": "2", "b": "2"}, {"a": "1", "b": "2", "c": "3"}),
        ("union", {}, {}, {"a": "3", "b": "3", "c": "3"}),
        ("union", {"A": "1"}, {}, {"A": "1", "a": "3", "b": "3", "c": "3"}),
        ("replace", {"a": "1"}, {"b": "2"}, {"a": "1"}),
        ("replace", {}, {"b": "2"}, {"b": "2"}),
        ("replace", {}, {}, {"a": "3", "b": "3", "c": "3"}),
    ],
)
def test_maps_combine_by_their_strategy(
    field: str, strategy: str | None, own: dict[str, str], block: dict[str, str], wanted: dict[str, str]
) -> None:
    """Each map by its own strategy; keys are compared exactly."""
    other = "params" if field == "headers" else "headers"
    common = {"a": "3", "b": "3", "c": "3"}
    ref = {"name": "shared", "mergeStrategy": {field: strategy} if strategy else {}}
    shared = make_global(**complete(kubernetes={**COMPLETE["kubernetes"], field: block}, **{field: common}))
    result = merged(make_auth(vaultAuthGlobalRef=ref, **{field: own}), shared)
    assert getattr(result, field) == wanted
    assert getattr(result, other) == {}


# What is wrong


@pytest.mark.parametrize(
    ("own", "common", "texts"),
    [
        ({}, {"defaultMount": "m"}, ["no auth method"]),
        ({"method": "kubernetes"}, {"defaultMount": "m"}, ["there is no spec.kubernetes"]),
        ({"method": "magic"}, {"defaultMount": "m"}, ["unknown auth method 'magic'"]),
        ({}, {}, ["no auth method", "no mount"]),
        ({}, complete(defaultMount=""), ["no mount"]),
        ({}, complete(kubernetes={}), ["kubernetes.role is empty", "kubernetes.serviceAccount is empty"]),
        ({"jwt": {}}, {"defaultAuthMethod": "jwt", "jwt": {}}, ["no mount", "spec.jwt.role is empty"]),
        (
            {"method": "appRole", "mount": "m", "appRole": {"roleId": "r", "secretRef": "s"}},
            {"appRole": {"secretIDPath": "/run/id"}},
            ["both secretIDPath and secretRef"],
        ),
        (
            {"vaultAuthGlobalRef": {"mergeStrategy": {"headers": "some", "params": "other"}}},
            complete(),
            ["mergeStrategy.headers 'some'", "mergeStrategy.params 'other'"],
        ),
    ],
)
def test_all_problems_are_told_at_once(own: dict[str, Any], common: dict[str, Any], texts: list[str]) -> None:
    """Each names both objects, so the reader knows where to look."""
    with pytest.raises(MergeError) as caught:
        merged(make_auth(**own), make_global(**common))
    assert len(caught.value.problems) == len(texts)
    for problem, text in zip(caught.value.problems, texts, strict=True):
        assert text in problem
        assert "VaultAuth shop/auth with VaultAuthGlobal vso/shared" in problem
        assert problem in str(caught.value)


def test_an_auth_without_global_is_merged_unjudged() -> None:
    """The original calls such objects valid; their login fails."""
    result = merged(make_auth(), None)
    assert (result.method, result.mount, result.block) == ("", "", None)
    assert len(login_problems(result)) == 2


@pytest.mark.parametrize(
    ("method", "block", "texts"),
    [
        ("kubernetes", COMPLETE["kubernetes"], []),
        ("kubernetes", {"serviceAccount": "s"}, ["spec.kubernetes.role"]),
        ("kubernetes", {"role": "r"}, ["spec.kubernetes.serviceAccount"]),
        ("kubernetes", None, ["there is no spec.kubernetes"]),
        ("jwt", COMPLETE["jwt"], []),
        ("jwt", {"role": "r", "secretRef": "s"}, []),
        ("jwt", {"role": "r"}, ["names no token"]),
        ("jwt", {}, ["spec.jwt.role", "names no token"]),
        ("appRole", COMPLETE["appRole"], []),
        ("appRole", {"roleId": "r", "secretIDPath": "/run/id"}, []),
        ("appRole", {"secretRef": "s"}, ["spec.appRole.roleId"]),
        ("appRole", {"roleId": "r"}, ["names no secret id"]),
        ("appRole", {"roleId": "r", "secretRef": "s", "secretIDPath": "/run/id"}, ["both"]),
        ("appRole", {"roleId": "r", "secretIDPath": "/run/../id"}, ["'..'"]),
        ("appRole", {"roleId": "r", "secretIDPath": "/run/a..b"}, ["'..'"]),
        ("appRole", {"roleId": "r", "secretIDPath": "run/id"}, ["not absolute"]),
        ("aws", COMPLETE["aws"], []),
        ("aws", {}, ["spec.aws.role"]),
        ("gcp", COMPLETE["gcp"], []),
        ("gcp", {"role": "r"}, ["spec.gcp.workloadIdentityServiceAccount"]),
        ("magic", None, ["unknown auth method"]),
    ],
)
def test_a_login_needs_a_complete_block(method: str, block: dict[str, Any] | None, texts: list[str]) -> None:
    """All that is missing is told, each with the field to set."""
    spec = {"method": method, "mount": "m", **({} if block is None else {method: block})}
    problems = login_problems(merged(make_auth(vaultAuthGlobalRef=None, **spec), None))
    assert len(problems) == len(texts)
    for problem, text in zip(problems, texts, strict=True):
        assert text in problem
        assert problem.startswith("VaultAuth shop/auth: ")


@pytest.mark.parametrize(
    ("name", "spec", "count"),
    [
        ("vso/auth", {}, 1),
        ("vso/auth", {"vaultConnectionRef": "default"}, 0),
        ("vso/default", {}, 0),
        ("shop/auth", {}, 0),
    ],
)
def test_an_auth_beside_the_operator_must_name_its_connection(name: str, spec: dict[str, str], count: int) -> None:
    """Except the one called default."""
    result = merged(make_auth(name, vaultAuthGlobalRef=None, **spec), None)
    assert len(connection_problems(result, operator_namespace=OPERATOR)) == count


def test_merging_changes_neither_object() -> None:
    """The result is a value of its own, so nothing inherited can be written back."""
    ref = {"name": "s", "mergeStrategy": {"headers": "union"}}
    auth = make_auth(headers={"a": "1"}, vaultAuthGlobalRef=ref)
    shared = make_global(**complete(headers={"b": "2"}))
    before = meta.encode(auth), meta.encode(shared)
    assert merged(auth, shared).headers == {"a": "1", "b": "2"}
    assert (meta.encode(auth), meta.encode(shared)) == before


def test_a_realistic_pair_merges_as_documented() -> None:
    """A team's login that inherits all but its role."""
    shared = make_global(
        allowedNamespaces=["books"],
        vaultConnectionRef="vso/main",
        defaultAuthMethod="kubernetes",
        defaultVaultNamespace="platform",
        defaultMount="cluster",
        headers={"X-Team": "none"},
        kubernetes={
            "role": "reader",
            "serviceAccount": "login",
            "audiences": ["vault"],
            "tokenExpirationSeconds": 900,
            "mount": "cluster-prod",
            "headers": {"X-Kind": "kubernetes"},
        },
        appRole={"roleId": "id", "secretRef": "secret-id", "mount": "approle"},
    )
    auth = make_auth(
        "books/auth",
        vaultAuthGlobalRef={"name": "shared", "namespace": "vso", "mergeStrategy": {"headers": "union"}},
        headers={"X-Team": "books"},
        kubernetes={"role": "books", "tokenExpirationSeconds": 600},
        allowedNamespaces=["books-batch"],
    )
    result = merged(auth, shared)
    assert result == MergedAuth(
        key=Key("books", "auth"),
        method="kubernetes",
        mount="cluster-prod",
        namespace="platform",
        connection_ref="vso/main",
        block=KubernetesAuth(role="books", service_account="login", audiences=("vault",), token_expiration_seconds=600),
        headers={"X-Team": "books", "X-Kind": "kubernetes"},
        allowed_namespaces=("books-batch",),
    )
    assert login_problems(result) == ()


def test_a_block_is_only_what_its_method_needs() -> None:
    """An AppRole block has no mount of its own, even when it came from a global."""
    result = merged(make_auth(method="appRole"), make_global(appRole={**COMPLETE["appRole"], "mount": "m"}))
    assert result.block == AppRoleAuth(role_id="r", secret_ref="s")
    assert VaultAuthSpec().app_role is None
