"""Time to analyse a reader study of 14 regions and sides and 3 methods: CPU and wall seconds of each step, and peak memory.

python benchmarks/analyse_study.py --cases 20 --readers 5
"""

from __future__ import annotations

import argparse
import os

# Set before NumPy is loaded, as in the command: matrices are small.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluation.statistics.intervals import Bootstrap
from reader_study.figures.draw import save_study_figures
from reader_study.models.mixed_model import RANDOM_TERMS
from reader_study.models.ordinal import fit_ordinal
from reader_study.models.ordinal_design import ordinal_design
from reader_study.published import published_summary
from reader_study.report.assemble import write_study_report
from reader_study.report.study_files import write_study
from reader_study.simulation.simulate import simulate_study, targets_of_summary
from reader_study.statistics.case_means import compare_case_means
from reader_study.statistics.study_analysis import StudyAnalysis, analyse_study


def timed(name: str, run: Callable[[], Any]) -> Any:
    """Run a step and print its row of the table."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = run()
    print(f"| {name} | {time.process_time() - cpu:.2f} | {time.perf_counter() - wall:.2f} |", flush=True)
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--readers", type=int, default=5)
    given = parser.parse_args()
    ratings = simulate_study(targets_of_summary(published_summary()), cases=given.cases, readers=given.readers, seed=1)
    one = ratings[(ratings["roi"] == "Insula") & (ratings["hemisphere"] == "L")]
    together = ratings.assign(region=ratings["roi"] + " " + ratings["hemisphere"])
    print("| step | CPU s | wall s |\n| --- | --- | --- |")
    for name, table, fixed in (("region and side", one, ["method"]), ("pooled, region fixed", together, ["method", "region"])):
        for random in (("case", "reader"), RANDOM_TERMS):
            terms = ", ".join(random)
            timed(f"mixed model, {name}, {len(table)} ratings; {terms}",
                  lambda t=table, f=fixed, r=random: fit_ordinal(ordinal_design(t, fixed=f, random=r)))  # fmt: skip
    timed("tests on case means", lambda: compare_case_means(ratings, bootstrap=Bootstrap()))
    analysis: StudyAnalysis = timed("everything computed (`analyse_study`)", lambda: analyse_study(ratings))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        timed("tables written", lambda: write_study(analysis, out))
        figures = timed("figures: PDF, SVG, PNG", lambda: save_study_figures(analysis, out / "figures", "Reader study"))
        timed("report", lambda: write_study_report(analysis, figures, out, "Reader study"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{len(ratings)} ratings, peak memory {peak:.2f} GiB")
    for warning in analysis.warnings:
        print(f"warning: {warning}")


if __name__ == "__main__":
    main()
