"""Encryption by the transit engine, with a key that never leaves the server. Source: behaviour.md section 4.4.

Vault API: https://openbao.org/api-docs/secret/transit/#encrypt-data and #decrypt-data.
"""

from base64 import b64decode, b64encode

import msgspec

from vso.base import Sensitive
from vso.vault.errors import BadAnswer
from vso.vault.path import normal_path
from vso.vault.transport import Call, Transport


class Ciphertext(msgspec.Struct, frozen=True):
    """What the engine makes of a text; as JSON it is the answer's `data`."""

    ciphertext: str = ""
    key_version: int = 0


class _Plaintext(msgspec.Struct):
    plaintext: str


async def encrypt(transport: Transport, call: Call, *, mount: str, key: str, plaintext: Sensitive[bytes]) -> Ciphertext:
    """Encrypt with the key `key`: ``PUT <mount>/encrypt/<key>``; `call` has token and namespace."""
    path = normal_path(mount, "encrypt", key)
    body = {"name": key, "plaintext": Sensitive(b64encode(plaintext.reveal()).decode())}
    answer = await transport.request("PUT", path, Call(token=call.token, namespace=call.namespace, body=body))
    try:
        if answer.data is not None:
            return msgspec.json.decode(answer.data.reveal(), type=Ciphertext)
    except msgspec.DecodeError as exc:
        raise BadAnswer("the encryption was answered in another shape", path=path) from exc
    raise BadAnswer("the encryption was answered without data", path=path)


async def decrypt(transport: Transport, call: Call, *, mount: str, key: str, ciphertext: str) -> Sensitive[bytes]:
    """What `encrypt` was given: ``PUT <mount>/decrypt/<key>``. Raises Invalid for what this key did not encrypt."""
    path = normal_path(mount, "decrypt", key)
    body = {"name": key, "ciphertext": ciphertext}
    answer = await transport.request("PUT", path, Call(token=call.token, namespace=call.namespace, body=body))
    try:
        if answer.data is not None:
            found = msgspec.json.decode(answer.data.reveal(), type=_Plaintext)
            return Sensitive(b64decode(found.plaintext, validate=True))
    except (msgspec.DecodeError, ValueError) as exc:
        raise BadAnswer("the decryption was answered in another shape", path=path) from exc
    raise BadAnswer("the decryption was answered without data", path=path)
