"""Rules about what is read from Vault, when, and where it goes."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from vso.apis.kinds import KINDS
from vso.apis.meta import Key
from vso.apis.v1beta1 import KvType, VaultDynamicSecret, VaultPKISecret, VaultStaticSecret
from vso.base import parse_duration
from vso.cli.kubectl.linting.finding import Bundle, Remark, parted, remark, show
from vso.cli.kubectl.manifest import mapping
from vso.cli.kubectl.subject import Subject, claimant_of
from vso.vault import InvalidPath, normal_path

_STATIC: Final = re.compile(r"/*static-creds?/")
_LEASED: Final = re.compile(r"/*(?:creds|sts|token|issue|sign)/")
_DATA: Final = re.compile(r"/*data/")
_DAY: Final = 86400.0
_FORMATS: Final = {"format": ("pem", "der", "pem_bundle"), "privateKeyFormat": ("der", "pkcs8")}
_ENDED: Final = frozenset({"HCPAuth", "HCPVaultSecretsApp"})
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"


def bad_path(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Mounts and paths that lead nowhere or elsewhere."""
    claimant = claimant_of(subject.obj)
    if claimant is None:
        return
    below = "role" if isinstance(claimant, VaultPKISecret) else "path"
    for name in ("mount", below):
        text = getattr(claimant.spec, name)
        try:
            if text:
                normal_path(text)
        except InvalidPath as exc:
            yield remark(("spec", name), *parted(str(exc), ": "))


def static_role_in_static_secret(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """A credential that Vault rotates, read as if it were a key-value secret."""
    static = subject.has(VaultStaticSecret)
    if static is not None and _STATIC.match(static.spec.path):
        yield remark(
            ("spec", "path"),
            f"{show(static.spec.path)} is the path of a static role, which no key-value engine has",
            "use a VaultDynamicSecret with allowStaticCreds: true",
        )


def static_role_not_allowed(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """A credential that Vault rotates, without the field that makes the operator follow the rotation."""
    dynamic = subject.has(VaultDynamicSecret)
    if dynamic is not None and _STATIC.match(dynamic.spec.path) and not dynamic.spec.allow_static_creds:
        yield remark(
            ("spec", "path"),
            f"{show(dynamic.spec.path)} is the path of a static role, whose rotations would be missed",
            "set allowStaticCreds: true",
        )


def leased_as_static(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Leased credentials declared as rotated ones."""
    dynamic = subject.has(VaultDynamicSecret)
    if dynamic is not None and dynamic.spec.allow_static_creds and _LEASED.match(dynamic.spec.path):
        problem = f"{show(dynamic.spec.path)} looks like leased credentials, not like a static role"
        yield remark(("spec", "allowStaticCreds"), problem, "leave allowStaticCreds out, or read static-creds/")


def kv_in_wrong_place(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """A path with ``data/``: that of the API, not that of the secret."""
    static, dynamic = subject.has(VaultStaticSecret), subject.has(VaultDynamicSecret)
    if static is not None and static.spec.type == KvType.V2 and _DATA.match(static.spec.path):
        problem = f"{show(static.spec.path)} begins with data/, which the operator adds itself"
        yield remark(("spec", "path"), problem, "leave data/ out, unless a folder has that name")
    if dynamic is not None and _DATA.match(dynamic.spec.path):
        problem = f"{show(dynamic.spec.path)} looks like a kv-v2 secret, which has no lease and would be read once"
        yield remark(("spec", "path"), problem, "use a VaultStaticSecret, and leave data/ out")


def restart_without_hmac(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Restart targets of a resource that cannot tell a change."""
    static = subject.has(VaultStaticSecret)
    if static is not None and static.spec.rollout_restart_targets and static.spec.hmac_secret_data is False:
        yield remark(
            ("spec", "hmacSecretData"),
            "rolloutRestartTargets are never restarted: without an HMAC the operator knows no change",
            "leave hmacSecretData out, or take the targets away",
        )


def never_refreshed(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Key-value secrets that are read once."""
    static = subject.has(VaultStaticSecret)
    if static is not None and static.spec.hmac_secret_data is False and not _seconds(static.spec.refresh_after):
        yield remark(
            ("spec", "hmacSecretData"),
            "the secret is read once: there is neither refreshAfter nor an HMAC",
            "set refreshAfter",
        )


def refresh_after_unset(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """What is read how often if nobody says."""
    static, dynamic = subject.has(VaultStaticSecret), subject.has(VaultDynamicSecret)
    if static is not None and static.spec.hmac_secret_data is not False and not _seconds(static.spec.refresh_after):
        problem = "without refreshAfter Vault is asked about every minute"
        yield remark(("spec", "refreshAfter"), problem, "set it to how old the Secret may be")
    if dynamic is not None and not (
        _seconds(dynamic.spec.refresh_after)
        or dynamic.spec.allow_static_creds
        or _LEASED.match(dynamic.spec.path)
        or _DATA.match(dynamic.spec.path)
        or _STATIC.match(dynamic.spec.path)
    ):
        problem = "if the answer has no lease it is read once, as refreshAfter is not set"
        yield remark(("spec", "refreshAfter"), problem, "set it, unless the engine gives leases")


def offset_beyond_ttl(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Certificates that are due for replacement when they are made."""
    pki = subject.has(VaultPKISecret)
    if pki is None:
        return
    offset, life = _seconds(pki.spec.expiry_offset), _seconds(pki.spec.ttl)
    if life and offset >= life:
        problem = f"expiryOffset {pki.spec.expiry_offset} is not shorter than ttl {pki.spec.ttl}"
        yield remark(("spec", "expiryOffset"), problem, "make it shorter than the life of a certificate")


def certificate_form(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Forms and times that Vault refuses; the schema does not know them."""
    pki = subject.has(VaultPKISecret)
    if pki is None:
        return
    given = {"format": pki.spec.format, "privateKeyFormat": pki.spec.private_key_format}
    for name, value in given.items():
        if value and value not in _FORMATS[name]:
            yield remark(
                ("spec", name), f"{show(value)} is no {name} of Vault", f"write one of {', '.join(_FORMATS[name])}"
            )
    if pki.spec.not_after and not _is_time(pki.spec.not_after):
        problem = f"{show(pki.spec.not_after)} is no time in UTC"
        yield remark(("spec", "notAfter"), problem, "write it like 2030-12-31T23:59:59Z")


def same_destination(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """Two resources that write one Secret: the operator lets the older one and refuses the other."""
    mine = claimant_of(subject.obj)
    if mine is None or not mine.spec.destination.name:
        return
    secret = Key(subject.namespace, mine.spec.destination.name)
    found = bundle.first_writer(secret)
    if found is None or bundle.first_of(found[0]) is bundle.first_of(subject):
        return
    other, claimant = found
    where = f"{other.manifest.file}:{other.manifest.line()}"
    problem = f"Secret {secret} is the destination of {claimant.kind} {claimant.metadata.name}, too ({where})"
    yield remark(("spec", "destination", "name"), problem, "name another Secret in one of them")


def same_object(subject: Subject, bundle: Bundle) -> Iterator[Remark]:
    """An object that the files have twice: whichever is applied last stays."""
    other = bundle.first_of(subject)
    if other is not subject and subject.manifest.name:
        where = f"{other.manifest.file}:{other.manifest.line()}"
        yield remark(("metadata", "name"), f"the object is also in {where}", "keep one")


def settings_without_create(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Settings of a destination that count only where the operator makes the Secret."""
    claimant = claimant_of(subject.obj)
    if claimant is None or claimant.spec.destination.create:
        return
    given = mapping(subject.manifest.body, "spec", "destination")
    for name in ("labels", "annotations", "type", "overwrite"):
        if given.get(name):
            problem = f"destination.{name} has no effect without destination.create"
            yield remark(("spec", "destination", name), problem, "set create: true, or leave it out")


def clear_without_effect(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """`clear` beside `create`: the Secret goes as a whole."""
    pki = subject.has(VaultPKISecret)
    if pki is not None and pki.spec.clear and pki.spec.destination.create:
        problem = "clear has no effect with destination.create: the Secret goes with the object"
        yield remark(("spec", "clear"), problem, "leave it out")


def retired_kind(subject: Subject, _: Bundle) -> Iterator[Remark]:
    """Kinds that nothing serves any more."""
    if subject.definition is None:
        return
    if subject.manifest.kind in _ENDED:
        problem = "HCP Vault Secrets has ended: the operator releases such objects and syncs nothing"
        yield remark(("kind",), problem, "move the secrets to Vault or OpenBao, and delete the object")
    elif subject.manifest.kind == "CSISecrets":
        problem = "the operator serves no CSISecrets: they are the input of another driver"
        yield remark(("kind",), problem, f"use one of {', '.join(_SERVED)} for a Secret")


_SERVED: Final = [one.name for one in KINDS if one.name.endswith("Secret")]


def _seconds(text: str) -> float:
    """The duration, days too; 0 if it is none, which another rule tells."""
    try:
        if text.endswith("d"):
            return float(text[:-1]) * _DAY
        return parse_duration(text).total_seconds() if text else 0.0
    except ValueError:
        return 0.0


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(text, _TIME)  # noqa: DTZ007 - only its form counts
    except ValueError:
        return False
    return True
