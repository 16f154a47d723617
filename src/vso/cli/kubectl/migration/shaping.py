"""Templates in the syntax of others, brought into that of the operator, and filters."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from vso.apis.v1beta1 import Template, Transformation

NOTHING: Final = ".*"
"""As an exclude: no field of Vault gets into the Secret but through templates."""
_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_ROOT: Final = re.compile(r"\$(?![A-Za-z_0-9])")
_SPECIAL: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")
_CONTEXT: Final = "$from"


def only(keys: Iterable[str]) -> tuple[str, ...]:
    """The filter that lets `keys` through and nothing else."""
    escaped = "|".join(_SPECIAL.sub(r"\\\1", key) for key in sorted(keys))
    return (f"^({escaped})$",)


def shaping_of(
    *, plain: Iterable[str] = (), everything: bool = False, templates: Mapping[str, str] | None = None
) -> Transformation:
    """A transformation that keeps the fields `plain` (or everything), and adds `templates`, without the raw copy."""
    kept = tuple(plain)
    return Transformation(
        exclude_raw=True,
        includes=only(kept) if kept and not everything else (),
        excludes=() if kept or everything else (NOTHING,),
        templates={key: Template(text=text) for key, text in (templates or {}).items()},
    )


def field_template(field: str, *, decode: bool = False) -> str:
    """A template that gives one field of the secret."""
    return f"{{{{ {field_expression(field, decode=decode)} }}}}"


def field_expression(field: str, *, decode: bool = False) -> str:
    """The same as an expression."""
    found = f'get .Secrets "{_quoted(field)}"'
    return f"{found} | b64dec" if decode else found


def within(context: str, text: str) -> str:
    """`text`, written for the fields themselves as its input, with `context` for them."""
    return (
        f"{{{{ with {_CONTEXT} := {context} }}}}{in_actions(text, lambda one: _ROOT.sub(_CONTEXT, one))}{{{{ end }}}}"
    )


def in_actions(text: str, change: Callable[[str], str]) -> str:
    """`text` with its actions changed; what is between them stays."""
    return _ACTION.sub(lambda found: change(found[0]), text)


def _quoted(field: str) -> str:
    return field.replace("\\", "\\\\").replace('"', '\\"')
