"""References between objects in text form: ``name`` or ``namespace/name`` (api.md section 5.1)."""

from vso.apis.meta import Key


class InvalidReference(ValueError):
    """A reference that names nothing; `text` is the reference."""

    def __init__(self, text: str, what: str) -> None:
        super().__init__(f"invalid reference {text!r}: {what}; write a name, or a namespace/name")
        self.text = text


def parse_reference(text: str, *, namespace: str, operator_namespace: str) -> Key:
    """What `text` refers to in an object of `namespace`; empty, it is `default` in the operator's namespace.

    Nothing is trimmed, and characters are not checked. Raises InvalidReference if `text` has more than one
    slash, or an empty name or namespace beside one.
    """
    if not text:
        return Key(operator_namespace, "default")
    parts = text.split("/")
    match parts:
        case [name]:
            return Key(namespace, name)
        case ["", _]:
            raise InvalidReference(text, "the namespace is empty")
        case [_, ""]:
            raise InvalidReference(text, "the name is empty")
        case [other, name]:
            return Key(other, name)
        case _:
            raise InvalidReference(text, "it has more than one slash")
