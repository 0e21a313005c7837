"""Bootstrap intervals over few cases: fewest cases for an interval, and most cases for which it gets a note.

For the mean of normal data the 95 % bootstrap interval of 2, 4, 6 and 8 cases covers 54, 82, 82 and 85 %: resampling can't show
more variation than the few cases have.
"""

from __future__ import annotations

__all__ = ["FEWEST_CASES", "FEW_CASES", "few_cases_note"]

#: No interval below the first number; a note on its coverage up to the second.
FEWEST_CASES, FEW_CASES = 6, 10


def few_cases_note(n_cases: int) -> str:
    """Return why there is no bootstrap interval for a number of cases, or a note on it; "" if there are enough cases."""
    cases = "one case" if n_cases == 1 else f"{n_cases} cases"
    if n_cases < FEWEST_CASES:
        return f"no bootstrap interval: {cases}, at least {FEWEST_CASES} are needed"
    return f"{cases}: a bootstrap interval from so few has less than its nominal coverage" if n_cases <= FEW_CASES else ""
