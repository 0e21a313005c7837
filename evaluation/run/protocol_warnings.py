"""Warnings on protocols: references or predictions that follow another protocol than the scored one; stray ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluation.metrics.pair_scores import PairScores, Scoring
from evaluation.protocols.parcellation import DESIKAN_ONLY

_VERMIS = frozenset({630, 631, 632})

__all__ = ["named", "protocol_warnings"]


def protocol_warnings(pairs: Mapping[str, Mapping[str, PairScores]], scoring: Scoring) -> list[str]:
    """Return one line for each way in which label maps and protocol don't fit.

    Parameters
    ----------
    pairs : mapping
        subject -> method -> scores.
    scoring : Scoring
    """
    references = {subject: next(iter(found.values())) for subject, found in pairs.items() if found}
    scored = {id_ for region in scoring.regions for id_ in region.ids}
    cortical = any(1000 < id_ < 3000 for id_ in scored)
    warnings = []
    desikan = [subject for subject, one in references.items() if one.reference_labels.cortex == "Desikan"]
    if desikan and cortical and not scored & DESIKAN_ONLY:
        warnings.append(f"references are Desikan maps (they label bankssts): their cortex is not DKT's: {named(desikan)}")
    # Some of Mindboggle's DKT maps have such voxels (issue 214 of the Mindboggle project).
    stray = {
        subject: n
        for subject, one in references.items()
        if one.reference_labels.cortex == "DKT"
        and (n := sum(count for id_, count in {**one.masked, **one.as_background}.items() if id_ in DESIKAN_ONLY))
    }
    if stray:
        n, how = sum(stray.values()), "masked" if scoring.outside == "mask" else "taken as background"
        warnings.append(f"stray bankssts and poles in DKT references, {n} voxels {how}: {named(list(stray))}")
    cma = [
        subject
        for subject, one in references.items()
        if scoring.protocol.name != "oasis-cma" and _VERMIS & {*one.masked, *one.as_background}
    ]
    if cma:
        warnings.append(
            "references hold the vermis (630 to 632) of Mindboggle's CMA labels: --protocol oasis-cma scores all of them: "
            f"{named(cma)}"
        )
    return warnings + (_other_protocols(pairs) if cortical else [])


def named(subjects: Sequence[str]) -> str:
    """Return the subjects in a line, the first six of more than eight."""
    return ", ".join(subjects) if len(subjects) <= 8 else f"{', '.join(subjects[:6])} and {len(subjects) - 6} more"


def _other_protocols(pairs: Mapping[str, Mapping[str, PairScores]]) -> list[str]:
    """Warn of predictions whose cortex follows DKT if the reference's follows Desikan, or the other way round."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for subject, methods in pairs.items():
        for method, one in methods.items():
            cortices = one.prediction_labels.cortex, one.reference_labels.cortex
            if set(cortices) == {"DKT", "Desikan"}:
                found.setdefault((method, *cortices), []).append(subject)
    return [
        f"{method} follows {own}, the references {theirs}, which alone lowers its cortical scores: {named(subjects)}"
        for (method, own, theirs), subjects in found.items()
    ]
