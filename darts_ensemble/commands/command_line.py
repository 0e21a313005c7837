"""Shared by the project's commands: errors in one line with an exit code, and lists in one option."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from darts_ensemble.errors import DartsError, UsageError

__all__ = ["errors", "one_line_errors", "words"]

#: Standard error, without markup and line breaks.
errors = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """Print an expected error as one line, after the command's name, and exit.

    Raises
    ------
    SystemExit
        With 2 for a :class:`~darts_ensemble.errors.UsageError`, 1 for the project's other errors and for files that can't be
        opened. Other exceptions are passed on.
    """
    try:
        yield
    except DartsError as error:
        errors.print(f"{command}: {error}")
        raise SystemExit(2 if isinstance(error, UsageError) else 1) from None
    except OSError as error:
        if not error.filename:
            raise
        errors.print(f"{command}: {error.filename}: {error.strerror}; expected a place that can be read and written")
        raise SystemExit(1) from None


def words(*texts: str) -> list[str]:
    """Return the words of an option that may be repeated and may hold several words each time, separated by commas.

    Examples
    --------
    >>> words("sub-01, sub-02", "sub-03")
    ['sub-01', 'sub-02', 'sub-03']
    """
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]
