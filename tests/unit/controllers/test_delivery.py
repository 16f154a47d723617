"""When workloads restart after a write: a table."""

import pytest

from vso.controllers.restarter import Caution, Payload, caution_of
from vso.sync import Signer, Step

SIGNER = Signer(bytes(16))
A, B = SIGNER.record("a"), SIGNER.record("b")
FOREIGN = Signer(b"x" * 16).record("a")


@pytest.mark.parametrize(
    ("record", "before", "step", "caution"),
    [
        (A, None, Step.NOTHING, None),
        (A, None, Step.DATA, Caution.IF_OTHER),
        (B, None, Step.DATA, Caution.NONE),
        (B, None, Step.NOTHING, Caution.UNLESS_DONE),
        (B, A, Step.DATA, Caution.NONE),
        ("", None, Step.CREATE, None),
        ("", A, Step.NOTHING, None),
        ("", B, Step.DATA, Caution.UNLESS_DONE),
        (FOREIGN, A, Step.NOTHING, None),
        (FOREIGN, B, Step.DATA, Caution.UNLESS_DONE),
    ],
)
def test_workloads_restart_when_their_payload_differs_from_the_record(
    record: str, before: str | None, step: Step, caution: Caution | None
) -> None:
    """Without a usable record the live Secret is the record; the first sync restarts nothing."""
    payload = Payload(now=A, record=record, before=before)
    assert caution_of(payload, step, comparable=SIGNER.is_comparable(record)) is caution
