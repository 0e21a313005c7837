"""Fixtures of all tests: the shared scans if they exist, a tiny ensemble, and the size of a soak run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from darts_ensemble.networks.dense_unet import DenseUNet
from darts_ensemble.slices.views import VIEWS
from darts_ensemble.weights.view_file import save_view

# Two threads make networks of two filters slower, several times so beside another load.
torch.set_num_threads(1)

#: The checkout, and what tests compare with that was made elsewhere (by R, by the published package).
ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
SOAK = bool(os.environ.get("DARTS_SOAK"))

settings.register_profile(
    "darts", deadline=None, max_examples=300 if SOAK else 25, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("darts")


def _data_folder() -> Path:
    beside = ROOT.parent / "shared" / "data"
    return Path(os.environ.get("DARTS_TEST_DATA", beside))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real scans; tests that need it are skipped if it is absent."""
    folder = _data_folder()
    if not (folder / "subjects").is_dir():
        pytest.skip(f"no real scans at {folder}; set DARTS_TEST_DATA to a folder that holds subjects/")
    return folder


def random_ensemble(folder: Path, *, filters: int, convolutions: int, normalisation: str) -> Path:
    """Write one random network per view, always the same ones, and return the folder."""
    for number, view in enumerate(VIEWS):
        torch.manual_seed(number)
        network = DenseUNet(filters=filters, convolutions=convolutions).eval()
        save_view(folder / f"{view}.safetensors", network, view=view, normalisation=normalisation, training_subjects=[])
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three random networks of two filters: quick, and only good for passing data through."""
    return random_ensemble(tmp_path_factory.mktemp("weights"), filters=2, convolutions=1, normalisation="volume-median")
