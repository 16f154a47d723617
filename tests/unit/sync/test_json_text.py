"""JSON as Go's encoder writes it, since the bytes decide MACs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vso.sync import json_text


@pytest.mark.parametrize(
    ("document", "written"),
    [
        (b'{"b":1,"a":2}', b'{"a":2,"b":1}'),
        (b"[1, 1.0, 1e3, 12345678901234567890, -0.0]", b"[1,1.0,1e3,12345678901234567890,-0.0]"),
        (b'{"x":"<a href=\\"b\\">&"}', b'{"x":"\\u003ca href=\\"b\\"\\u003e\\u0026"}'),
        (b'"\\u2028\\u2029"', b'"\\u2028\\u2029"'),
        ('"Grüße 🎉"'.encode(), '"Grüße 🎉"'.encode()),
        (b'"\\ud83c\\udf89"', '"🎉"'.encode()),
        (b'"\\ud83c lone"', '"\ufffd lone"'.encode()),
        (b'"\\b\\f\\n\\r\\t\\u0001\\u007f"', b'"\\b\\f\\n\\r\\t\\u0001\x7f"'),
        (b'{"n":null,"t":true,"f":false,"o":{},"l":[]}', b'{"f":false,"l":[],"n":null,"o":{},"t":true}'),
        (b'{"a":1,"a":2}', b'{"a":2}'),
        (b'{"\\u003c":"\\/"}', b'{"\\u003c":"/"}'),
    ],
)
def test_documents_are_written_as_go_writes_them(document: bytes, written: bytes) -> None:
    """Sorted keys, kept literals, escaped <, >, &, U+2028 and U+2029; lone surrogates become U+FFFD."""
    assert json_text.write(json_text.parse(document)) == written


@pytest.mark.parametrize(
    "text", [b"", b"{", b"NaN", b"[Infinity]", b"{'a':1}", b"\xff", b'"\xed\xa0\x80"', b"[" * 100_000]
)
def test_what_is_no_json_is_refused_without_quoting_it(text: bytes) -> None:
    """The text may be a secret."""
    with pytest.raises(ValueError, match="no valid JSON") as refusal:
        json_text.parse(text)
    assert refusal.value.__cause__ is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(_JSON)
def test_writing_keeps_the_value(value: object) -> None:
    """Whatever came in means the same when it goes out."""
    text = json.dumps(value).encode()
    assert json.loads(json_text.write(json_text.parse(text))) == value
