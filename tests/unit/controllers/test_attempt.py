"""Which attempts are told of, why they were made, and where failures come from."""

import pytest
from msgspec import structs

from tests.support.clock import FakeClock
from vso.apis.meta import Key, ObjectMeta
from vso.apis.v1beta1 import VaultStaticSecret, VaultStaticSecretStatus
from vso.controllers.attempt import Attempt, AttemptLog, AttemptResult, FailureCause, cause_of
from vso.kube import ConnectionFailed
from vso.sync import (
    AuthNotFound,
    ConnectionSuspended,
    CredentialMissing,
    DestinationClaimed,
    InvalidSpec,
    LoginSuspended,
    NotAllowed,
    OwnershipError,
    TemplateError,
    TransformationInvalid,
    Unavailable,
)
from vso.vault import Denied, LoginRefused, MissingCredential, NotFound, Sealed

KEY = Key("app", "web")


def suspended(type_: type[Unavailable]) -> Unavailable:
    """An error that says to wait."""
    return type_("no", retry_in=1.0, waits_for=None, cause=TimeoutError())


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []

    def attempted(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    def restarted(self, namespace: str, kind: str, *, ok: bool) -> None:
        raise AssertionError


def resource(*, generation: int, synced: int) -> VaultStaticSecret:
    """A resource whose generation `synced` was synced, 0 for none."""
    meta = ObjectMeta(namespace="app", name="web", generation=generation)
    status = structs.replace(VaultStaticSecretStatus(), last_generation=synced)
    return VaultStaticSecret(metadata=meta, status=status)


@pytest.fixture
def told() -> Told:
    """Who is told."""
    return Told()


@pytest.fixture
def log(told: Told) -> tuple[AttemptLog, FakeClock]:
    """A log of VaultStaticSecrets, and its clock."""
    clock = FakeClock()
    return AttemptLog("VaultStaticSecret", clock=clock, observer=told), clock


@pytest.mark.parametrize(("wrote", "result"), [(True, AttemptResult.SUCCESS), (False, AttemptResult.UNCHANGED)])
async def test_an_attempt_is_told_with_its_reason_and_duration(
    log: tuple[AttemptLog, FakeClock], told: Told, wrote: bool, result: AttemptResult
) -> None:
    """From the first look on; whether the destination was changed makes the result."""
    attempts, clock = log
    attempts.look(KEY)
    await clock.advance(2.0)
    attempts.begin(KEY, "SecretDataDrift")
    await clock.advance(1.0)
    attempts.succeeded(KEY, wrote=wrote)
    (one,) = told.attempts
    assert (one.reason, one.result, one.seconds, one.cause) == ("SecretDataDrift", result, 3.0, None)
    assert (one.kind, one.key, one.ended) == ("VaultStaticSecret", KEY, clock.now().timestamp())


def test_a_look_that_finds_nothing_to_do_is_no_attempt(log: tuple[AttemptLog, FakeClock], told: Told) -> None:
    """Otherwise each echo of an own write would count."""
    attempts, _ = log
    attempts.look(KEY)
    attempts.succeeded(KEY, wrote=False)
    assert told.attempts == []


def test_what_an_earlier_attempt_left_behind_does_not_count_again(
    log: tuple[AttemptLog, FakeClock], told: Told
) -> None:
    """An attempt that was put off ends without a word; the next look begins anew."""
    attempts, _ = log
    attempts.look(KEY)
    attempts.begin(KEY, "Periodic")
    attempts.look(KEY)
    attempts.succeeded(KEY, wrote=False)
    assert told.attempts == []


@pytest.mark.parametrize(
    ("generation", "synced", "reason"),
    [(1, 0, "InitialSync"), (2, 1, "ResourceUpdated"), (2, 2, "Periodic")],
)
def test_a_failure_before_the_reason_was_known_has_that_of_the_resource(
    log: tuple[AttemptLog, FakeClock], told: Told, generation: int, synced: int, reason: str
) -> None:
    """Such as a VaultAuth that does not exist."""
    attempts, _ = log
    attempts.look(KEY)
    attempts.failed(resource(generation=generation, synced=synced), AuthNotFound("none"))
    (one,) = told.attempts
    assert (one.reason, one.result, one.cause) == (reason, AttemptResult.FAILURE, FailureCause.CONFIG)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (LoginRefused("no"), FailureCause.AUTH),
        (suspended(LoginSuspended), FailureCause.AUTH),
        (CredentialMissing("no"), FailureCause.AUTH),
        (MissingCredential("no"), FailureCause.AUTH),
        (Denied("no"), FailureCause.VAULT),
        (NotFound("no"), FailureCause.VAULT),
        (Sealed("no"), FailureCause.VAULT),
        (suspended(ConnectionSuspended), FailureCause.VAULT),
        (ConnectionFailed("no"), FailureCause.KUBERNETES),
        (TransformationInvalid("no"), FailureCause.TRANSFORMATION),
        (TemplateError("no"), FailureCause.TRANSFORMATION),
        (OwnershipError("no"), FailureCause.OWNERSHIP),
        (DestinationClaimed("no"), FailureCause.OWNERSHIP),
        (InvalidSpec("no"), FailureCause.CONFIG),
        (NotAllowed("no"), FailureCause.CONFIG),
        (ZeroDivisionError(), FailureCause.OTHER),
    ],
)
def test_the_type_of_an_error_tells_where_it_comes_from(error: Exception, cause: FailureCause) -> None:
    """The values of the label `cause`."""
    assert cause_of(error) is cause
