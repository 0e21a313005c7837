"""The whole analysis of a study's ratings in one place; reports and figures use its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from evaluation.results.run_facts import count_of
from evaluation.statistics.intervals import Bootstrap
from reader_study.models.mixed_model import RANDOM_TERMS, ModelTables, model_study
from reader_study.ratings.study_order import StudyOrder, in_study_order, methods_in_order, natural_key
from reader_study.ratings.summary import Summary
from reader_study.ratings.table import LIKERT, RatingScale, first_ratings, is_synthetic, missing_ratings, who_rated_what
from reader_study.statistics.blinding import blinding_table
from reader_study.statistics.case_means import compare_case_means
from reader_study.statistics.comparison import compare_with_summary
from reader_study.statistics.equivalence import equivalence_table
from reader_study.statistics.large_studies import model_limit_note, sampled_cases
from reader_study.statistics.published_table import PublishedTable, published_table
from reader_study.statistics.reader_agreement import agreement_table, rated_units, within_reader_table

__all__ = ["StudyAnalysis", "analyse_study"]


@dataclass(frozen=True)
class StudyAnalysis:
    """The results of a study.

    Attributes
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it.
    methods : tuple of str
        Their order everywhere.
    scale : RatingScale
    synthetic : bool
        Whether ratings are made up; every output must say so.
    published : PublishedTable or None
        None, like `case_means` and `models`, if there is only one method and nothing to compare.
    case_means : pandas.DataFrame or None
        As :func:`reader_study.statistics.case_means.compare_case_means` returns it.
    models : ModelTables or None
        None also where there are too many ratings (:mod:`reader_study.statistics.large_studies`); a warning says so.
    agreement, within_readers : pandas.DataFrame
        As :func:`reader_study.statistics.reader_agreement.agreement_table` and `within_reader_table`; empty if there is
        only one reader.
    blinding : pandas.DataFrame or None
        As :func:`reader_study.statistics.blinding.blinding_table`; None without guesses.
    comparison : pandas.DataFrame or None
        As :func:`reader_study.statistics.comparison.compare_with_summary`; None without a table to compare with.
    equivalence : pandas.DataFrame or None
        As :func:`reader_study.statistics.equivalence.equivalence_table`; None without a margin.
    who_rated : pandas.DataFrame
        As :func:`reader_study.ratings.table.who_rated_what`.
    n_missing : int
        Ratings that a complete design lacks.
    warnings : tuple of str
        Facts that readers of the results must know.
    """

    ratings: pd.DataFrame
    methods: tuple[str, ...]
    scale: RatingScale
    synthetic: bool
    published: PublishedTable | None
    case_means: pd.DataFrame | None
    models: ModelTables | None
    agreement: pd.DataFrame
    within_readers: pd.DataFrame
    blinding: pd.DataFrame | None
    comparison: pd.DataFrame | None
    equivalence: pd.DataFrame | None
    who_rated: pd.DataFrame
    n_missing: int
    warnings: tuple[str, ...]

    @property
    def readers(self) -> tuple[str, ...]:
        """Readers, sorted by name as people do."""
        return tuple(sorted(self.ratings["reader"].unique(), key=natural_key))

    @property
    def n_cases(self) -> int:
        """Number of cases."""
        return int(self.ratings["case"].nunique())


def _with_first_ratings(ratings: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return ratings whose lowest repeat is the first, and warnings if this was changed or readers have no first rating."""
    warnings = []
    lowest = int(ratings["repeat"].min())
    if lowest > 1:
        warnings.append(f"no rating is marked as repeat 1: those of repeat {lowest} are taken for the first ratings")
        ratings = ratings.assign(repeat=ratings["repeat"] - lowest + 1)
    rated = set(first_ratings(ratings)["reader"])
    for reader in [name for name in dict.fromkeys(ratings["reader"]) if name not in rated]:
        warnings.append(f"reader {reader} has hidden repeats only, no first rating, and is left out of every comparison")
    return ratings, warnings


def analyse_study(
    ratings: pd.DataFrame,
    methods: Sequence[str] | None = None,
    *,
    scale: RatingScale = LIKERT,
    random: Sequence[str] = RANDOM_TERMS,
    bootstrap: Bootstrap | None = None,
    compare: Summary | None = None,
    order: StudyOrder | None = None,
    margin: float | None = None,
    guesses: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
    report: Callable[[str], None] | None = None,
) -> StudyAnalysis:
    """Compute the published table, the tests on case means, the mixed models and the agreement of the readers.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As :func:`reader_study.ratings.table.check_ratings` returns it.
    methods : sequence of str, optional
        Their order, by default that of the study; the first is the reference of the models.
    scale : RatingScale
    random : sequence of str
        Random effects of the models; see :func:`reader_study.models.mixed_model.model_study`.
    bootstrap : Bootstrap, optional
        Settings of all bootstrap intervals.
    compare : Summary, optional
        A printed table to compare with.
    order : StudyOrder, optional
        The planned order of methods and regions; see :mod:`reader_study.ratings.study_order`.
    margin : float, optional
        Difference in rating up to which methods count as equivalent; above 0.
    guesses : pandas.DataFrame, optional
        As :func:`reader_study.statistics.blinding.read_guesses` returns it.
    notes : sequence of str
        Facts on how the ratings were read, for readers of the results; put before the warnings.
    report : callable, optional
        Called with a line after each step.

    Raises
    ------
    RatingsError, SummaryError
        If a method has no rating, or nothing is shared with the table to compare with.
    """
    settings, tell = bootstrap or Bootstrap(), report or (lambda line: None)
    names = methods_in_order(ratings["method"], order) if methods is None else tuple(methods)
    ratings = in_study_order(ratings, names, order)
    ratings, unusual = _with_first_ratings(ratings)
    n_missing = len(missing_ratings(ratings))
    published = published_table(ratings, names) if len(names) > 1 else None
    comparison = compare_with_summary(published, compare) if published is not None and compare is not None else None
    case_means = models = None
    too_large = model_limit_note(ratings)
    if published is not None:
        tell("table as published")
        case_means = compare_case_means(ratings, names, bootstrap=settings)
        tell("tests on case means")
        models = None if too_large else model_study(ratings, names, random=random, report=report)
    compared, sampled = sampled_cases(ratings, scale, settings.seed)
    agreement, within = _agreement(compared, scale, settings, tell)
    return StudyAnalysis(
        ratings=ratings,
        methods=names,
        scale=scale,
        synthetic=is_synthetic(ratings),
        published=published,
        case_means=case_means,
        models=models,
        agreement=agreement,
        within_readers=within,
        blinding=None if guesses is None else blinding_table(guesses, names, confidence=settings.confidence),
        comparison=comparison,
        equivalence=equivalence_table(ratings, names, margin) if margin is not None and len(names) > 1 else None,
        who_rated=who_rated_what(ratings),
        n_missing=n_missing,
        warnings=(
            *notes,
            *unusual,
            *filter(None, (too_large, sampled)),
            *_warnings(names, n_missing, several_readers=_several_readers(ratings)),
        ),
    )


def _agreement(
    ratings: pd.DataFrame, scale: RatingScale, settings: Bootstrap, tell: Callable[[str], None]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Agreement between readers, empty for one reader, and of each reader with their own earlier ratings."""
    agreement = pd.DataFrame()
    resampling = {"resamples": min(settings.resamples, 2000), "seed": settings.seed}
    if _several_readers(ratings):
        agreement = agreement_table(rated_units(ratings, scale), confidence=settings.confidence, **resampling)
        tell("agreement of the readers")
    within = within_reader_table(ratings, scale, confidence=settings.confidence, **resampling)
    if len(within):
        tell("agreement of each reader with their own repeats")
    return agreement, within


def _several_readers(ratings: pd.DataFrame) -> bool:
    return len(set(first_ratings(ratings)["reader"])) > 1


def _warnings(methods: Sequence[str], n_missing: int, *, several_readers: bool) -> tuple[str, ...]:
    warnings = []
    if n_missing:
        missing = f"{count_of(n_missing, 'rating')} of a complete one {'is' if n_missing == 1 else 'are'} missing"
        warnings.append(
            f"the design is not balanced: {missing} (who_rated_what.csv); the table as "
            "published compares methods on different ratings, the other tests only on ratings that both have"
        )
    if len(methods) < 2:
        warnings.append(f"one method ({', '.join(methods)}): there is nothing to compare, only the readers' agreement")
    if not several_readers:
        warnings.append("one reader: no agreement between readers, and nothing can be said about other readers")
    return tuple(warnings)
