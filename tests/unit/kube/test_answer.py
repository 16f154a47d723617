"""Answers as typed objects."""

import pytest
import structlog

from vso.apis import core
from vso.kube import Page, UnexpectedAnswer
from vso.kube.answer import read_object, read_page


def test_a_page_marks_its_items_with_the_kind() -> None:
    """The API leaves apiVersion and kind out of the items of a list."""
    body = b'{"metadata":{"resourceVersion":"7","continue":"next"},"items":[{"metadata":{"name":"a"}}]}'
    page = read_page(body, core.LEASE, what="list Lease")
    assert (page.resource_version, page.continue_) == ("7", "next")
    assert [(item.api_version, item.kind) for item in page.items] == [("coordination.k8s.io/v1", "Lease")]


@pytest.mark.parametrize(
    "body", [b'{"metadata":{"resourceVersion":"7"},"items":null}', b'{"metadata":{"resourceVersion":"7"}}']
)
def test_a_page_without_items_is_empty(body: bytes) -> None:
    """Null and absent mean no items."""
    assert read_page(body, core.SECRET, what="list Secret") == Page((), "7", "")


def test_one_odd_object_does_not_spoil_a_list() -> None:
    """It is left out and logged by name, without its content; nulls are forgiven."""
    items = (
        '{"metadata":{"name":"odd","namespace":"app"},"data":"canary"}',
        '{"metadata":{"name":"null","labels":null}}',
        '{"metadata":{"name":"good"},"data":{"a":"AQ=="}}',
        '"canary"',
    )
    with structlog.testing.capture_logs() as logs:
        body = f'{{"metadata":{{"resourceVersion":"7"}},"items":[{",".join(items)}]}}'
        page = read_page(body.encode(), core.SECRET, what="list Secret")
    assert [(item.metadata.name, item.kind) for item in page.items] == [("null", "Secret"), ("good", "Secret")]
    assert [entry["object"] for entry in logs] == ["app/odd", "?"]
    assert "canary" not in str(logs)


@pytest.mark.parametrize("body", [b"", b"<html>canary</html>", b"\xff", b'"canary"', b'{"items":"canary"}'])
def test_an_answer_of_another_shape_is_unexpected(body: bytes) -> None:
    """The error names the request and shows nothing of the content."""
    with pytest.raises(UnexpectedAnswer, match="list Secret: ") as raised:
        read_page(body, core.SECRET, what="list Secret")
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize("body", [b"{}", b'{"status":"ok"}', b'{"items":[]}', b'{"kind":"Status","metadata":{}}'])
def test_an_answer_that_is_no_list_does_not_pass_for_an_empty_one(body: bytes) -> None:
    """The page of a gateway before the API server must not empty the stores."""
    with pytest.raises(UnexpectedAnswer, match="list Secret: the answer is no list"):
        read_page(body, core.SECRET, what="list Secret")


def test_an_object_of_another_shape_is_unexpected() -> None:
    """A single object cannot be left out."""
    with pytest.raises(UnexpectedAnswer, match=r"get Secret app/db: .*data"):
        read_object(b'{"data":"canary"}', core.SECRET, what="get Secret app/db")


@pytest.mark.parametrize("body", [b"{}", b'{"status":"ok"}', b'{"kind":"Status","status":"Success"}'])
def test_an_answer_of_no_kind_does_not_pass_for_a_write(body: bytes) -> None:
    """What a gateway makes up must not prolong leadership, nor count as a Secret that was stored."""
    with pytest.raises(UnexpectedAnswer, match="update Lease op/lock: the answer is no Lease"):
        read_object(body, core.LEASE, what="update Lease op/lock")


def test_metadata_alone_is_of_the_kind_that_was_asked_for() -> None:
    """The API server calls it PartialObjectMetadata, whatever it is of."""
    body = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}'
    assert read_object(body, core.SECRET.partial(), what="get Secret app/a").kind == "Secret"
