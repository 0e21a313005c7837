"""The rating scale: its levels, and which cells of a table are one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evaluation.results.run_facts import count_of
from reader_study.errors import RatingsError

__all__ = ["LIKERT", "NOT_RATED", "RatingScale", "is_not_rated", "number_of", "rating_of"]

#: Words in a table that mean "not rated", in lower case.
NOT_RATED = frozenset(
    ("", "n/a", "na", "#n/a", "n.a.", "nan", "null", "none", "-", "--", "–", "—", ".", "missing", "not rated", "unrated")
)
#: A number as a table writes it, with a decimal point or comma: no exponent, no underscore, no digits of other scripts, which
#: Python's float() would accept.
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?")


@dataclass(frozen=True)
class RatingScale:
    """An ordinal scale.

    Attributes
    ----------
    levels : tuple of int
        Ratings from worst to best, increasing.
    words : tuple of str
        What each level means, one word or phrase per level.
    half_points : bool
        Whether a rating half-way between two neighbouring levels is allowed.

    Raises
    ------
    RatingsError
        If there are fewer than two levels, they do not increase, or the words do not match them.
    """

    levels: tuple[int, ...]
    words: tuple[str, ...]
    half_points: bool = False

    def __post_init__(self) -> None:
        if len(self.levels) < 2 or any(b <= a for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise RatingsError(f"scale: levels {self.levels} do not increase over at least two; list them from worst to best")
        if len(self.words) != len(self.levels):
            raise RatingsError(
                f"scale: {count_of(len(self.words), 'word')} for {count_of(len(self.levels), 'level')}; give one word per level"
            )

    @property
    def allowed(self) -> tuple[float, ...]:
        """All possible ratings, increasing."""
        if not self.half_points:
            return tuple(float(level) for level in self.levels)
        between = [(low + high) / 2 for low, high in zip(self.levels, self.levels[1:], strict=False)]
        return tuple(sorted([*map(float, self.levels), *between]))

    def describe(self) -> str:
        """Scale in words, as errors show it: `1, 2, 3, 4, 5`."""
        return ", ".join(f"{level:g}" for level in self.allowed)


#: The scale of the published study; its table gives the words of the two ends, those between are the usual ones.
LIKERT = RatingScale(levels=(1, 2, 3, 4, 5), words=("poor", "fair", "good", "very good", "excellent"))


def rating_of(text: str, scale: RatingScale) -> float | None:
    """Return the rating in a cell; None if it is not on the scale."""
    value = number_of(text)
    return value if value is not None and value in scale.allowed else None


def number_of(text: str) -> float | None:
    """Return the number in a cell, with a decimal point or a decimal comma; None if it is not a number."""
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def is_not_rated(text: str) -> bool:
    """Whether a cell means that there is no rating: blank, N/A and similar (:data:`NOT_RATED`)."""
    return text.strip().lower() in NOT_RATED
