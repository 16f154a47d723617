"""Whose a Secret is, and which write is due."""

import pytest
from msgspec.structs import replace

from vso.apis import names
from vso.apis.meta import Key, ObjectMeta, OwnerReference
from vso.sync import Destination, OwnershipError, Step, Wanted, is_orphan, plan

OWNER = OwnerReference(api_version=names.API_VERSION, kind="VaultStaticSecret", name="web", uid="uid-1")
LABELS = {**names.OWNER_LABELS, names.OWNER_UID_LABEL: "uid-1"}
WANTED = Wanted(
    key=Key("app", "web"),
    create=True,
    overwrite=False,
    type="Opaque",
    labels=LABELS,
    annotations={"a": "1"},
    owner=OWNER,
    mac="mac",
)
META = ObjectMeta(
    name="web", namespace="app", uid="s", labels=LABELS, annotations={"a": "1"}, owner_references=(OWNER,)
)
LIVE = Destination(metadata=META, type="Opaque", mac="mac")


def live(**changes: object) -> Destination:
    """The Secret as wanted, but for `changes` of its metadata or of itself."""
    own = {name: changes.pop(name) for name in ("mac", "type", "immutable") if name in changes}
    return replace(LIVE, metadata=replace(META, **changes), **own)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (LIVE, Step.NOTHING),
        (None, Step.CREATE),
        (live(mac="other"), Step.DATA),
        (live(labels={**LABELS, "x": "y"}), Step.METADATA),
        (live(annotations={}), Step.METADATA),
        (live(owner_references=()), Step.METADATA),
        (live(annotations={}, mac="other"), Step.WHOLE),
        (live(type="kubernetes.io/tls"), Step.REPLACE),
        (live(immutable=True), Step.NOTHING),
    ],
)
def test_the_smallest_write_that_helps_is_chosen(found: Destination | None, step: Step) -> None:
    """Nothing is written where nothing differs."""
    assert plan(found, WANTED) is step


@pytest.mark.parametrize(
    ("found", "step"), [(live(labels={"own": "1"}, annotations={}), Step.NOTHING), (live(mac="x"), Step.DATA)]
)
def test_without_create_only_data_is_compared(found: Destination, step: Step) -> None:
    """Labels, type and owner of a Secret that somebody else made are theirs."""
    assert plan(found, replace(WANTED, create=False)) is step


def test_without_create_a_missing_secret_is_an_error() -> None:
    """The text says what to do."""
    with pytest.raises(OwnershipError, match="does not exist, and create=false"):
        plan(None, replace(WANTED, create=False))


FOREIGN = live(labels={"own": "1"}, owner_references=())
OTHERS = live(
    labels={**names.OWNER_LABELS, names.OWNER_UID_LABEL: "uid-2"},
    owner_references=(replace(OWNER, name="other", uid="uid-2"),),
)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_secret_of_another_resource_is_never_touched(overwrite: bool) -> None:
    """Not even with overwrite (api.md section 8.4)."""
    with pytest.raises(OwnershipError, match="belongs to VaultStaticSecret other"):
        plan(OTHERS, replace(WANTED, overwrite=overwrite))


def test_a_foreign_secret_is_taken_over_with_overwrite_only() -> None:
    """And the refusal says so."""
    with pytest.raises(OwnershipError, match=r"set destination\.overwrite"):
        plan(FOREIGN, WANTED)
    assert plan(FOREIGN, replace(WANTED, overwrite=True)) is Step.METADATA


@pytest.mark.parametrize(
    "found",
    [
        live(labels={}),
        live(owner_references=(OWNER, replace(OWNER, uid="x"))),
        live(owner_references=(replace(OWNER, uid="uid-0"),), labels={**LABELS, names.OWNER_UID_LABEL: "uid-0"}),
    ],
)
def test_what_was_ours_is_repaired(found: Destination) -> None:
    """Stripped labels, a second owner, and the Secret of a former resource of the same name."""
    assert plan(found, WANTED) is Step.METADATA


@pytest.mark.parametrize("change", [{"mac": "other"}, {"labels": {**LABELS, "x": "y"}}])
def test_an_immutable_secret_is_reported(change: dict[str, object]) -> None:
    """The server would refuse the write."""
    with pytest.raises(OwnershipError, match="immutable"):
        plan(live(immutable=True, **change), WANTED)


@pytest.mark.parametrize(
    ("found", "orphan"),
    [
        (live(name="former"), True),
        (LIVE, False),
        (live(name="former", labels={}), False),
        (live(name="former", owner_references=()), False),
        (replace(OTHERS, metadata=replace(OTHERS.metadata, name="former")), False),
    ],
)
def test_only_what_we_wrote_under_a_former_name_is_an_orphan(found: Destination, orphan: bool) -> None:
    """Labels, UID and owner must all agree before anything is deleted."""
    assert is_orphan(found, owner=OWNER, destination="web") is orphan
