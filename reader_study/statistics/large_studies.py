"""What is done with a study that is too large for everything: agreement on a sample of its cases, and no models.

The limits are of memory and of minutes on an ordinary computer; whatever is left out is said.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from reader_study.ratings.table import RatingScale, first_ratings

__all__ = ["FEWEST_SAMPLED", "MOST_BYTES", "MOST_MODELLED", "model_limit_note", "sampled_cases"]

#: Most first ratings that models are fitted to.
MOST_MODELLED = 250_000
#: Most memory for the counts of pairs of ratings that agreement and its bootstrap need, in bytes.
MOST_BYTES = 200_000_000
#: Most ratings that agreement is computed on.
MOST_COMPARED = 250_000
#: A sample has this many cases at least.
FEWEST_SAMPLED = 50


def sampled_cases(ratings: pd.DataFrame, scale: RatingScale, seed: int) -> tuple[pd.DataFrame, str]:
    """Return the ratings that agreement is computed on, and what was left out.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it.
    scale : RatingScale
    seed : int
        Of the choice of cases.

    Returns
    -------
    ratings : pandas.DataFrame
        All of them, or those of cases drawn at random without replacement.
    note : str
        Which part of the cases this is; "" for all.
    """
    cases = ratings["case"].unique()
    one_case = 8 * (ratings["reader"].nunique() * len(scale.allowed)) ** 2
    most = min(MOST_BYTES // one_case, len(cases) * MOST_COMPARED // max(len(ratings), 1))
    most = max(int(most), FEWEST_SAMPLED)
    if most >= len(cases):
        return ratings, ""
    chosen = np.random.default_rng(seed).choice(len(cases), size=most, replace=False)
    kept = ratings[ratings["case"].isin(set(cases[chosen]))]
    note = (
        f"agreement of the readers is that of {most} of {len(cases)} cases, drawn at random (seed {seed}): the study is large"
    )
    return kept, note


def model_limit_note(ratings: pd.DataFrame) -> str:
    """Why no models are fitted to ratings; "" where they are."""
    n = len(first_ratings(ratings))
    if n <= MOST_MODELLED:
        return ""
    return f"no mixed models: {n} ratings, more than {MOST_MODELLED}; analyse fewer regions, or a sample of the cases, for them"
