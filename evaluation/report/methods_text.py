"""The methods paragraphs of a paper, written from run.json and the tables of a run, with the references to cite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import pandas as pd

from evaluation.report.citations import CITATIONS
from evaluation.results.folder import Results, is_distance
from evaluation.results.labelling import KIND
from evaluation.results.metric_text import describe_metric, surface_definition
from evaluation.results.run_facts import count_of, listed, moves_of, voxel_sizes
from evaluation.statistics.intervals import Bootstrap
from evaluation.statistics.signed_rank import ZERO

__all__ = ["MethodsText", "methods_text"]

_SOFTWARE = {
    "numpy": "NumPy", "scipy": "SciPy", "pandas": "pandas", "nibabel": "NiBabel", "statsmodels": "statsmodels",
    "matplotlib": "Matplotlib", "seaborn": "seaborn",
}  # fmt: skip
_CORTEX = {
    "DKT": ("the Desikan-Killiany-Tourville (DKT) protocol", "dkt"),
    "Desikan": ("the Desikan-Killiany protocol", "desikan"),
    "one region per side": ("FreeSurfer's aseg, one region a side", "aseg"),
}
_MISSES = {
    "exclude": "was given no distance, and so enters no mean distance",
    "worst": "was given the diagonal of the image as its distance",
    "inf": "was given an infinite distance",
}
_WILCOXON = {"exact": "exact", "permutation": "by permutation of signs", "normal": "by the normal approximation"}


@dataclass(frozen=True)
class MethodsText:
    """Paragraphs with numbers in brackets, and the references with these numbers, in order."""

    paragraphs: list[str]
    references: list[str]


@dataclass
class _Bibliography:
    """Numbers references in the order in which they are first cited."""

    keys: list[str] = field(default_factory=list)

    def cite(self, *keys: str) -> str:
        """Return ` [1, 2]`; empty without keys."""
        for key in keys:
            if key not in self.keys:
                self.keys.append(key)
        return f" [{', '.join(str(self.keys.index(key) + 1) for key in keys)}]" if keys else ""


def methods_text(results: Results) -> MethodsText:
    """Describe a run.

    Parameters
    ----------
    results : Results

    Returns
    -------
    MethodsText
        Data and references; scoring; metrics; statistics (if there are any); software. Only what the run has done is described.
    """
    books = _Bibliography()
    paragraphs = [
        _data(results, books), _scoring(results), _metrics(results, books), _statistics(results, books),
        _software(results, books),
    ]  # fmt: skip
    return MethodsText([text for text in paragraphs if text], [CITATIONS[key] for key in books.keys])


def _data(results: Results, books: _Bibliography) -> str:
    account = results.account
    counted = results.counted(results.subjects)
    n = counted["subject"].nunique()
    families = counted["family"].nunique()
    text = [f"Label maps of {listed(results.methods)} were compared with reference label maps of {count_of(n, 'subject')}"]
    if account.get("families") and families < n:
        text.append(f" from {count_of(families, 'family', 'families')}")
    numbers = counted.groupby("method", sort=False)["subject"].nunique()
    if len(set(numbers)) > 1:
        text.append(f" ({', '.join(f'{method}: {number}' for method, number in numbers.items())})")
    text.append(".")
    among = set(counted["subject"])
    references = account.get("references", {})
    names = dict.fromkeys(PurePath(path).name for subject, path in references.items() if subject in among)
    if 0 < len(names) < 4:
        text.append(f" References were read from {listed(list(names))}.")
    if any("manual+aseg" in name for name in names):
        text.append(" In these the cortex was labelled by hand, all other regions automatically by FreeSurfer")
        text.append(f"{books.cite('dkt', 'aseg', 'freesurfer')}.")
    text += _cortices(account, among, books)
    if account.get("weights_sha256"):
        weights = account.get("arguments", {}).get("weights") or "bundled"
        text.append(
            " Scans were segmented with 2-D Dense U-Nets in coronal, axial and sagittal slices and their ensemble"
            f"{books.cite('darts')} as implemented in darts-ensemble (weights: {PurePath(str(weights)).name})."
        )
    seen = {subject for subjects in account.get("seen_in_training", {}).values() for subject in subjects}
    if seen and results.include_seen:
        text.append(f" {count_of(len(seen), 'subject')} on which networks had been trained were kept in all means and tests.")
    elif seen:
        text.append(
            f" {count_of(len(seen), 'subject')} on which networks had been trained were left out of all means and tests."
        )
    return "".join(text)


def _cortices(account: dict[str, Any], among: set[str], books: _Bibliography) -> list[str]:
    """Return which protocol the cortex of the references follows, recognised from their labels."""
    follow = account.get("labels_follow", {})
    told = Counter(one["reference"].removesuffix(", cortex only") for subject, one in follow.items() if subject in among)
    known = [(cortex, n) for cortex, n in told.most_common() if cortex in _CORTEX]
    if not known:
        return []
    parts = [_CORTEX[cortex][0] + books.cite(_CORTEX[cortex][1]) for cortex, _ in known]
    if len(known) > 1:
        parts = [f"{part} in {count_of(n, 'subject')}" for part, (_, n) in zip(parts, known, strict=True)]
    return [f" Their cortex follows {listed(parts)}, as recognised from the labels."]


def _scoring(results: Results) -> str:
    protocol = results.account.get("protocol", {})
    regions = results.scores[~results.scores["region_id"].duplicated()]
    cortical = int((regions["group"] == "cortex").sum())
    kinds = f" ({cortical} cortical, {len(regions) - cortical} other)" if 0 < cortical < len(regions) else ""
    named = PurePath(str(protocol["name"])).name if "name" in protocol else ""
    text = [f"We scored {count_of(len(regions), 'region')}{kinds}{f' of the protocol {named}' if named else ''}."]
    if n := len(protocol.get("merged") or {}):
        text.append(f" {count_of(n, 'region')} of these combine{'s' if n == 1 else ''} several labels.")
    if "outside" in protocol:
        how = "were left out of both maps" if protocol["outside"] == "mask" else "counted as background"
        text.append(
            f" Reference voxels whose label the protocol does not name {how}; labels of the compared maps that it does not "
            "name counted as background."
        )
    sizes = voxel_sizes(results.account)
    if sizes:
        some = f"{len(sizes)} voxel sizes, most often {sizes[0]}" if len(sizes) > 3 else listed(sizes)
        text.append(f" Maps were compared on the reference's grid ({some})")
    text.append(_moved(moves_of(results.account)) + "." if sizes else "")
    suspects = results.account.get("suspects", [])
    out = [one for one in suspects if not one.get("counted")]
    if out:
        kinds = "; ".join([f"{kind}: {n}" for kind, n in Counter(str(one["kind"]) for one in out).most_common()])
        text.append(f" Not scored for a suspected fault of the files: {count_of(len(out), 'pair')} of maps ({kinds}).")
    text.append(
        " A region absent from both maps, or not part of a reference's own protocol, was not scored; a region that only one of "
        "the two maps has counts as missed or invented."
    )
    for method, ids in results.account.get("copied_regions", {}).items():
        text.append(
            f" {method} was not scored in {count_of(len(ids), 'region')} in which it equals the reference in every voxel of "
            "every subject, as one was copied from the other."
        )
    return "".join(text)


def _moved(moves: dict[str, int]) -> str:
    """Return how maps on another grid were brought to the reference's grid."""
    said = {
        "axes reordered": "by reordering their axes",
        "resampled": "by nearest-neighbour resampling through the affines",
        "laid voxel on voxel": "voxel by voxel, because the reference's header is known to be wrong",
    }
    parts = [f"{moves[move]} {how}" for move, how in said.items() if move in moves]
    total = sum(moves.values())
    return (
        f", to which {sum(moves[move] for move in said if move in moves)} of {total} were brought: {listed(parts)}"
        if parts
        else ""
    )


def _metrics(results: Results, books: _Bibliography) -> str:
    words = {describe_metric(name).formula: describe_metric(name) for name in results.metrics}
    defined = [one.formula + books.cite(*one.citations) for one in words.values()]
    text = [f"With A a region in the reference and B the same region in the map under test, we computed: {'; '.join(defined)}."]
    surfaces = list(dict.fromkeys(points for name in results.metrics if (points := surface_definition(name))))
    if len(surfaces) > 1:
        kinds = "; ".join(f"({letter}) {points}" for letter, points in zip("abc", surfaces, strict=False))
        text.append(f" Distances and surface Dice were measured on {len(surfaces)} kinds of surfaces: {kinds}.")
    elif surfaces:
        text.append(f" Surfaces were {surfaces[0]}.")
    zero = "Overlap metrics and surface Dice" if any(name.startswith("surface_dice") for name in results.metrics) else "Metrics"
    text.append(f" {zero} of missed and invented regions were 0")
    policy = results.account.get("metrics", {}).get("misses")
    if any(is_distance(name) for name in results.metrics) and policy in _MISSES:
        text.append(f"; such a region {_MISSES[policy]}")
    missed, invented = (int(results.summary[name].sum()) for name in ("n_missed", "n_invented"))
    text.append(f" ({missed} missed and {invented} invented over all methods and subjects).")
    text.append(
        " Metrics were averaged over regions within each subject; means and standard deviations (n − 1) are over subjects."
    )
    return "".join(text)


def _statistics(results: Results, books: _Bibliography) -> str:
    settings = Bootstrap(**results.account.get("bootstrap", {}))
    level = f"{100 * settings.confidence:g} %"
    text = []
    if results.paired_regions is not None and len(results.paired_regions):
        text.append(_paired(results.paired_regions, settings, level, books))
    if results.paired_overall is not None and len(results.paired_overall):
        families = "n_families" in results.paired_overall.columns
        unit = "families of subjects, resampled whole" if families else "subjects"
        text.append(
            " Over all regions, methods were compared by the mean over regions within each subject, so that n is the number of "
            f"{'families' if families else 'subjects'}: mean difference with its {level} BCa interval over {unit}, paired t "
            "test and Wilcoxon signed-rank test, Holm's correction over the pairs of methods for each metric."
        )
        if KIND in results.paired_overall.columns:
            text.append(" Regions with manual and with automatic reference labels were tested and corrected separately.")
    models = [frame for frame in (results.mixed_model, results.paired_overall) if frame is not None]
    if any("lmm_p" in frame.columns and frame["lmm_p"].notna().any() for frame in models):
        text.append(
            " A linear mixed model of the differences with random effects of subject and of region within subject was fitted "
            f"by restricted maximum likelihood{books.cite('mixed_model', 'statsmodels')}; its p-values use a t distribution "
            "with one degree of freedom less than there are independent units."
        )
    if results.ranks is not None and len(results.ranks):
        text.append(
            " The ranks of all methods were compared by Friedman's test with the F of Iman and Davenport"
            f"{books.cite('friedman', 'iman_davenport')}."
        )
    if results.volume_agreement is not None and len(results.volume_agreement):
        text.append(
            " Volumes were compared with the reference by bias and limits of agreement"
            f"{books.cite('bland_altman')} and by intraclass correlations of single measurements, ICC(A,1) and ICC(C,1)"
            f"{books.cite('icc')}."
        )
    return "".join(text).strip()


def _paired(frame: pd.DataFrame, settings: Bootstrap, level: str, books: _Bibliography) -> str:
    counts = frame.loc[frame["n"] > 0, "n"] if frame["n"].any() else frame["n"]
    smallest, largest = int(counts.min()), int(counts.max())
    n = f"n = {largest}" if smallest == largest else f"n = {smallest} to {largest}"
    metrics = [_in_a_sentence(str(name)) for name in dict.fromkeys(frame.get("metric", []))]
    text = [
        f"In each region methods were compared in pairs on the subjects that both had ({n})"
        f"{f', in {listed(metrics)}' if metrics else ''}, by the paired t test"
        f"{books.cite('t')} and the Wilcoxon signed-rank test{books.cite('wilcoxon')}, both two-sided"
    ]
    found = Counter(frame["wilcoxon_method"])
    parts = [f"{_WILCOXON[method]} in {count_of(found[method], 'test')}" for method in _WILCOXON if found[method]]
    text.append(f"; Wilcoxon's p was {listed(parts)}." if parts else ".")
    text.append(
        f" Differences below {ZERO:g} were taken as zero. Reported are the mean and median difference with {level} "
        f"bias-corrected and accelerated bootstrap intervals over subjects{books.cite('bca')} ({settings.resamples} resamples, "
        f"seed {settings.seed}), the Hodges-Lehmann estimate with its interval{books.cite('hodges_lehmann')}, the "
        f"matched-pairs rank-biserial correlation{books.cite('rank_biserial')} and Cohen's d_z{books.cite('cohen')}."
    )
    corrections = [
        ("_p_holm_methods", "by Holm's method over the pairs of methods within each region", "holm"),
        ("_p_holm_regions", "by Holm's method over the regions of each pair of methods", "holm"),
        ("_p_fdr_regions", "to the false discovery rate of Benjamini and Hochberg over the regions of each pair", "fdr"),
    ]
    done = [words + books.cite(key) for end, words, key in corrections if f"wilcoxon{end}" in frame.columns]
    if done:
        text.append(f" P-values are given without adjustment and adjusted {listed(done)}.")
    return "".join(text)


def _in_a_sentence(metric: str) -> str:
    heading = describe_metric(metric).heading.removesuffix(", mm")
    return heading.replace("Volume", "volume").replace("Surface", "surface")


def _software(results: Results, books: _Bibliography) -> str:
    versions: dict[str, str] = results.account.get("versions", {})
    used = {"numpy", "scipy", "pandas", "nibabel"}
    if any(path.suffix in (".png", ".svg", ".pdf") for path in _files(results, "figures")):
        used |= {"matplotlib", "seaborn"}
    if "statsmodels" in books.keys:
        used.add("statsmodels")
    parts = [
        f"{name} {versions[key]}{books.cite(key)}"
        for key, name in _SOFTWARE.items()
        if key in used and versions.get(key, "not installed") != "not installed"
    ]
    if results.account.get("weights_sha256") and versions.get("torch", "not installed") != "not installed":
        parts.append(f"PyTorch {versions['torch']}")
    own = f"darts-ensemble {versions['darts-ensemble']}" if "darts-ensemble" in versions else "darts-ensemble"
    python = f" under Python {versions['python']}" if "python" in versions else ""
    return f"Everything was computed by darts-eval of {own}{python}" + (f", with {listed(parts)}." if parts else ".")


def _files(results: Results, name: str) -> Iterable[Any]:
    folder = results.folder / name
    return sorted(folder.iterdir()) if folder.is_dir() else []
