"""The analyses of a study, in words for the methods section of a paper, with the sources."""

from __future__ import annotations

from evaluation.results.run_facts import count_of
from reader_study.statistics.study_analysis import StudyAnalysis

__all__ = ["study_methods"]

_REFERENCES = (
    "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bulletin 1 (1945), 80-83.",
    "Pratt JW. Remarks on zeros and ties in the Wilcoxon signed rank procedures. Journal of the American Statistical "
    "Association 54 (1959), 655-667.",
    "Hodges JL, Lehmann EL. Estimates of location based on rank tests. Annals of Mathematical Statistics 34 (1963), 598-611.",
    "Holm S. A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6 (1979), 65-70.",
    "Dorfman DD, Berbaum KS, Metz CE. Receiver operating characteristic rating analysis: generalization to the population of "
    "readers and patients with the jackknife method. Investigative Radiology 27 (1992), 723-731.",
    "Satterthwaite FE. An approximate distribution of estimates of variance components. Biometrics Bulletin 2 (1946), 110-114.",
    "Tierney L, Kadane JB. Accurate approximations for posterior moments and marginal densities. Journal of the American "
    "Statistical Association 81 (1986), 82-86.",
    "Christensen RHB. ordinal: Regression Models for Ordinal Data. R package.",
    "Light RJ. Measures of response agreement for qualitative data. Psychological Bulletin 76 (1971), 365-377.",
    "Gwet KL. Handbook of Inter-Rater Reliability, 4th ed. (2014).",
    "Shrout PE, Fleiss JL. Intraclass correlations: uses in assessing rater reliability. Psychological Bulletin 86 (1979), "
    "420-428.",
    "Krippendorff K. Computing Krippendorff's alpha-reliability (2011).",
)


def study_methods(analysis: StudyAnalysis) -> tuple[list[str], list[str]]:
    """Return paragraphs and the references that they number."""
    used: list[str] = []

    def cite(*names: str) -> str:
        numbers = []
        for name in names:
            reference = next(text for text in _REFERENCES if text.startswith(name))
            if reference not in used:
                used.append(reference)
            numbers.append(str(used.index(reference) + 1))
        return f" [{', '.join(numbers)}]"

    low, high = analysis.scale.levels[0], analysis.scale.levels[-1]
    paragraphs = []
    if analysis.synthetic:
        paragraphs.append("THESE RATINGS ARE SYNTHETIC. The text below describes what would be computed for a real study.")
    paragraphs.append(
        f"{count_of(len(analysis.readers), 'reader')} rated {count_of(analysis.n_cases, 'case')} segmented by "
        f"{count_of(len(analysis.methods), 'method')} "
        f"({', '.join(analysis.methods)}) on an ordinal scale from {low} ({analysis.scale.words[0]}) to {high} "
        f"({analysis.scale.words[-1]})."
    )
    if analysis.case_means is not None:
        paragraphs.append(
            "Methods were compared on case means over readers by the Wilcoxon signed-rank test"
            f"{cite('Wilcoxon')}, counting all flips of signs, with Pratt's treatment of zeros{cite('Pratt')}, and by the "
            f"paired t-test; differences are Hodges-Lehmann estimates with 95 % intervals{cite('Hodges')}. P-values are "
            f"Holm-adjusted over the pairs of methods within each region and side{cite('Holm')}. To generalise to other "
            f"readers, both readers and cases were taken as random{cite('Dorfman')}, with Satterthwaite's degrees of "
            f"freedom{cite('Satterthwaite')}."
        )
    if analysis.models is not None and (analysis.models.tests["formula"] != "").any():
        formula = next(text for text in analysis.models.tests["formula"] if text)
        paragraphs.append(
            f"Ratings were modelled by cumulative-logit mixed models ({formula}, in the notation of R), fitted by the Laplace "
            f"approximation{cite('Tierney', 'Christensen')}. Methods were tested by likelihood ratio, pairs by Wald tests; "
            "proportional odds were tested against separate thresholds for each method."
        )
    if len(analysis.agreement):
        paragraphs.append(
            f"Agreement between readers is given as quadratic-weighted kappa (mean over pairs{cite('Light')}), Gwet's "
            f"AC2{cite('Gwet')}, ICC(2,1) and ICC(2,k){cite('Shrout')}, and Krippendorff's alpha{cite('Krippendorff')} for "
            "ordinal data, with bootstrap intervals over cases."
        )
    return paragraphs, used
