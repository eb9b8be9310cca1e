"""Names in SQL: the one place where identifiers and text literals are quoted."""

from __future__ import annotations

import re
import string

from entity_matching.errors import SettingsError

_FORBIDDEN = re.compile(r"[./\s\x00-\x1f\x7f]")
_PLAIN = frozenset(string.ascii_lowercase + string.digits + "_-")
LONGEST = 255
"""Characters that Unity Catalog allows in a name."""


def quoted(*parts: str) -> str:
    """Return a name of one or several levels, each quoted: ```a-b`.`c```."""
    return ".".join(f"`{part.replace('`', '``')}`" for part in parts)


def literal(text: str) -> str:
    """Return a text as a SQL literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def check_name(name: str, what: str) -> str:
    """Return a catalog, schema or table name in the spelling Unity Catalog keeps, which is lower case.

    :raises SettingsError: if it holds what Unity Catalog forbids: a full stop, a slash, white space or a control
        character; or if it is empty or longer than 255 characters.
    """
    wrong = _FORBIDDEN.search(name)
    if wrong is not None:
        raise SettingsError(
            f"{what} '{name}' holds {wrong.group()!r}, which no such name may.",
            remedy="Use letters, digits, '_' or '-'.",
        )
    if not 0 < len(name) <= LONGEST:
        raise SettingsError(f"{what} has {len(name)} characters; 1 to {LONGEST} are allowed.", remedy="Rename it.")
    return name.lower()


def folder_name(name: str) -> str:
    """Return a folder's name for a catalog: letters, digits, '_', '-'; any other character becomes '+' and its code."""
    return "".join(char if char in _PLAIN else f"+{ord(char):x}+" for char in name)
