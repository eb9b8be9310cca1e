"""Every error the project raises on purpose.

One root, so that a caller can catch all of them. Each message says what was
expected, what came and what to do; the command line prints it without a traceback.
"""

from __future__ import annotations

from collections.abc import Sequence


class EntityMatchingError(Exception):
    """Root of the project's errors.

    :param message: what was expected and what came instead.
    :param remedy: what the user can do about it; printed after the message.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        self.message = message
        self.remedy = remedy
        super().__init__(f"{message} {remedy}".strip())


class SchemaError(EntityMatchingError):
    """Raised when a schema is not valid, or does not fit the table it is used with."""


class SettingsError(EntityMatchingError):
    """Raised when a setting is outside its range."""


class InputError(EntityMatchingError):
    """Raised when a file or table cannot be taken as it is.

    :param message: what is wrong.
    :param file: the file (or table) it is in.
    :param row: the row, counted from 1 without the header; the line of the file where only that is known.
    :param column: the column's name.
    :param remedy: what would be right.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        row: int | None = None,
        column: str = "",
        remedy: str = "",
    ) -> None:
        self.file = file
        self.row = row
        self.column = column
        where = [file] if file else []
        if row is not None:
            where.append(f"row {row:,}")
        if column:
            where.append(f"column '{column}'")
        place = ", ".join(where)
        super().__init__(f"{place}: {message}" if place else message, remedy=remedy)


class NoRowsError(InputError):
    """Raised when a file is whole, but has no row.

    :param message: what is wrong.
    :param columns: the columns it has; none if the file is empty altogether.
    :param file: the file.
    :param remedy: what would be right.
    """

    def __init__(self, message: str, *, columns: Sequence[str] = (), file: str = "", remedy: str = "") -> None:
        self.columns = tuple(columns)
        super().__init__(message, file=file, remedy=remedy)


class LabelsError(InputError):
    """Raised when labels contradict each other or the tables they speak of."""


class OutputError(EntityMatchingError):
    """Raised when a result cannot be written where it was asked for; what was there before is untouched."""


class ArtifactError(EntityMatchingError):
    """Raised when a saved model or index is damaged, too new, or does not fit the data."""


class TrainingError(EntityMatchingError):
    """Raised when training cannot go on; what it had learnt until then is kept."""


class OptionalDependencyError(EntityMatchingError):
    """Raised when a part needs a package that is not installed.

    :param package: the missing package.
    :param extra: the extra of this distribution that brings it.
    :param needed_for: what needs it, in words.
    """

    def __init__(self, package: str, extra: str, needed_for: str) -> None:
        super().__init__(
            f"{needed_for} needs the package '{package}', which is not installed.",
            remedy=f"Install it with: pip install 'entity-matching[{extra}]'",
        )
