"""Which subjects, references and label maps there are: Mindboggle-101, FreeSurfer, BIDS, folders and manifests."""

from darts_ensemble.lazy_names import load_on_first_use

__all__ = [
    "Cohort",
    "Location",
    "Predictions",
    "Subject",
    "choose_subjects",
    "find_cohort",
    "find_predictions",
    "parse_location",
]

__getattr__ = load_on_first_use(__name__, dict.fromkeys(__all__, "evaluation.cohort.find"))
