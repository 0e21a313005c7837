"""Tables of ratings: read, check and summarise them."""

from __future__ import annotations

from darts_ensemble.lazy_names import load_on_first_use

_HOMES = {
    "COLUMNS": "reader_study.ratings.layout",
    "DESIGN": "reader_study.ratings.layout",
    "LIKERT": "reader_study.ratings.scale",
    "OPTIONAL_COLUMNS": "reader_study.ratings.layout",
    "Problem": "reader_study.ratings.checking",
    "RatingScale": "reader_study.ratings.scale",
    "check_ratings": "reader_study.ratings.checking",
    "first_ratings": "reader_study.ratings.table",
    "is_synthetic": "reader_study.ratings.table",
    "known_regions": "reader_study.ratings.layout",
    "missing_ratings": "reader_study.ratings.table",
    "rating_of": "reader_study.ratings.scale",
    "rating_problems": "reader_study.ratings.checking",
    "read_ratings": "reader_study.ratings.table",
    "who_rated_what": "reader_study.ratings.table",
}
__all__ = [
    "COLUMNS",
    "DESIGN",
    "LIKERT",
    "OPTIONAL_COLUMNS",
    "Problem",
    "RatingScale",
    "check_ratings",
    "first_ratings",
    "is_synthetic",
    "known_regions",
    "missing_ratings",
    "rating_of",
    "rating_problems",
    "read_ratings",
    "who_rated_what",
]

__getattr__ = load_on_first_use(__name__, _HOMES)
