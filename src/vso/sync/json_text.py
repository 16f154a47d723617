"""JSON as the original writes it, byte for byte.

The bytes decide `_raw`, nested values and so `status.secretMAC`: a difference of one byte would rewrite every
Secret on a take-over (behaviour.md section 8.5). Go's encoder sorts keys, keeps number literals as Vault sent
them, and escapes ``<``, ``>``, ``&``, U+2028 and U+2029.
"""

import json
import re
from json.encoder import encode_basestring
from typing import Any, Final

JSON = Any
"""A decoded document: dict, list, str, bool, None, and `Number` for every number."""

_ESCAPES: Final = str.maketrans(
    {"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"}
)


_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


class Number(str):
    """A number as it was written, such as ``1``, ``1.0``, ``1e3`` or twenty digits."""

    __slots__ = ()


def parse(data: bytes) -> JSON:
    """Decode `data`, keeping number literals.

    Raises ValueError, without quoting the document, if it is no JSON.
    """
    try:
        # Decoded here: given bytes, the module would guess at UTF-16 and let through what no text can hold.
        value = json.loads(data.decode(), parse_int=Number, parse_float=Number, parse_constant=_refuse)
        return _without_lone_surrogates(value) if _SURROGATE.search(data) else value
    except (ValueError, RecursionError):
        # The original exception carries the whole document, which may be a secret.
        raise ValueError("the text is no valid JSON") from None


def write(value: JSON) -> bytes:
    """Encode `value` compactly with sorted keys, as Go's encoder does."""
    pieces: list[str] = []
    _append(value, pieces)
    return "".join(pieces).encode()


def _append(value: JSON, pieces: list[str]) -> None:
    match value:
        case None:
            pieces.append("null")
        case bool():
            pieces.append("true" if value else "false")
        case Number():
            pieces.append(str(value))
        case str():
            pieces.append(_string(value))
        case dict():
            for index, key in enumerate(sorted(value)):
                pieces.append(("," if index else "{") + _string(key) + ":")
                _append(value[key], pieces)
            pieces.append("}" if value else "{}")
        case list():
            for index, item in enumerate(value):
                pieces.append("," if index else "[")
                _append(item, pieces)
            pieces.append("]" if value else "[]")
        case _:
            raise TypeError(f"no JSON form for {type(value).__name__}")


def _string(text: str) -> str:
    # As json.dumps(ensure_ascii=False) does it, which makes an encoder for every call.
    quoted = encode_basestring(text)
    if "<" in quoted or ">" in quoted or "&" in quoted or "\u2028" in quoted or "\u2029" in quoted:
        return quoted.translate(_ESCAPES)
    return quoted


def _refuse(constant: str) -> JSON:
    raise ValueError(f"{constant} is no JSON")


def _without_lone_surrogates(value: JSON) -> JSON:
    """Read a lone surrogate as U+FFFD, as Go does; Python keeps it and could not encode it."""
    match value:
        case Number():
            return value
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_without_lone_surrogates(key): _without_lone_surrogates(item) for key, item in value.items()}
        case list():
            return [_without_lone_surrogates(item) for item in value]
        case _:
            return value
