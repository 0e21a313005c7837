"""The interface of the published DARTS package: `Segmentation(weights).predict(inputs)`, and the class list.

A thin layer over :class:`darts_ensemble.segment.segmenter.Segmenter`. Arguments are named as in `DARTSeg` 1.0.0. Differences:

- Labels are FreeSurfer ids (background 0), int16, not class indices (background 102, left white matter 0).
- Slices are taken along the axis of the view that the weights are for, not always along the coronal one.
- A scan with other voxel sizes is resampled to 1 mm; the result is on the grid of the scan, of any size and orientation, and
  files have the affine of the scan.
- Probabilities are (x, y, z, 103), class axis last, background last of the classes; saved as a float32 NIfTI file (in the
  original, the file of that name is a pickle). Those of several inputs are not held in memory together.
- Weights are read without running code, may be of any size, and a folder or "bundled" gives an ensemble of views.
- `use_gpu=True` uses a GPU if there is one, else the CPU.
- `Path` inputs work, inputs with the same name don't overwrite each other, `T1.mgz` becomes `T1_seg.mgz` (was
  `T1mgz_seg.mgz`), and errors are raised as :class:`darts_ensemble.errors.DartsError`.
- The methods that `predict` calls in the original (`read_image`, `predict_single`, `save_output`) are not there.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from darts_ensemble.errors import CheckpointError, DartsError, ScanError, UsageError
from darts_ensemble.labels import N_CLASSES, REGIONS
from darts_ensemble.scans.inputs import name_scans
from darts_ensemble.scans.native import probabilities_to_native
from darts_ensemble.scans.scan import write_label_map, write_series
from darts_ensemble.segment.segmenter import Segmentation as Result
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.weights.checkpoints import load_ensemble
from darts_ensemble.whole_files import written_whole

__all__ = ["CLASS_LIST_EXTENSIONS", "MODEL_TYPES", "Segmentation", "save_prediction", "write_class_list"]

MODEL_TYPES = ("dense-unet", "unet")
CLASS_LIST_EXTENSIONS = (".tsv", ".txt", ".json", ".pkl")


class Segmentation:
    """Segments scans with the weights of one file, as the class of the same name in `DARTSeg` does.

    Parameters
    ----------
    model_wts_path : path, "bundled", or mapping from view to path
        A released `.pth` file with the view in its name, a `.safetensors` file, or a folder with one file per view.
    model_type : {"dense-unet", "unet"}
        What the weights are for; checked against the file.
    use_gpu : bool
        Use a GPU where there is one.

    Raises
    ------
    UsageError
        If `model_type` is neither of the two.
    CheckpointError
        If a weights file can't be used or holds the other architecture.
    """

    def __init__(
        self,
        model_wts_path: str | Path | Mapping[str, str | Path],
        model_type: str = "dense-unet",
        use_gpu: bool = True,
    ) -> None:
        if model_type not in MODEL_TYPES:
            raise UsageError(f"model_type {model_type}; expected {' or '.join(MODEL_TYPES)}")
        ensemble = load_ensemble(model_wts_path)
        for network in ensemble.networks.values():
            if network.architecture != model_type:
                raise CheckpointError(
                    f"{network.path}: a {network.architecture}; expected a {model_type}: set model_type to what the file holds"
                )
        self.segmenter = Segmenter(ensemble, device="auto" if use_gpu else "cpu")
        self._names_in: dict[Path, dict[Path, str]] = {}

    def predict(
        self,
        inputs: str | Path | Sequence[str | Path],
        save_directory: str | Path | None = None,
        save_proba: bool | None = None,
        is_mgz: bool | None = None,
    ) -> tuple[Any, Any]:
        """Segment one scan or several.

        Parameters
        ----------
        inputs : path, or sequence of paths
        save_directory : path, optional
            Folder for `<name>_seg.mgz` or `<name>_seg.nii.gz`, named after the file or the subject; created if missing. By
            default nothing is saved.
        save_proba : bool, optional
            Also save `<name>_prob.nii.gz`, (x, y, z, 103) float32.
        is_mgz : bool, optional
            Whether labels are saved as .mgz; by default as the input is. The type of an input is read from the file.

        Returns
        -------
        labels : (x, y, z) int16, or a list of them
            FreeSurfer ids on the grid of the scan.
        probabilities : (x, y, z, 103) float16, or a list
            In the order of :data:`darts_ensemble.labels.REGIONS`, background last; each voxel sums to 1. A 256^3 scan takes
            3.5 GB. For several inputs the list holds, instead of arrays, objects that read the saved files when they are
            used (`numpy.asarray(probabilities[0])`, or a part such as `probabilities[0][..., 5]`), or None if nothing is
            saved.

        Raises
        ------
        ScanError
            If an input can't be used. Where several are saved, the others are done first.
        """
        single = isinstance(inputs, str | Path)
        paths = [Path(one) for one in ([inputs] if isinstance(inputs, str | Path) else inputs)]
        folder = None if save_directory is None else Path(save_directory)
        names = [] if folder is None else self._names(paths, folder)
        save = bool(save_proba) and folder is not None
        labels: list[npt.NDArray[np.int16]] = []
        probabilities: list[Any] = []
        failures = []
        for number, path in enumerate(paths):
            try:
                result = self.segmenter.segment(path, keep_probabilities=single or save)
                whole = _all_probabilities(result) if single else None
                if folder is not None:
                    mgz = path.name.lower().endswith((".mgz", ".mgh")) if is_mgz is None else is_mgz
                    save_prediction(result, folder, names[number], mgz=mgz, probabilities=save)
            except DartsError as error:
                if single or folder is None:
                    raise
                failures.append(str(error))
                continue
            labels.append(result.ids)
            saved: Any = nib.load(folder / f"{names[number]}_prob.nii.gz") if folder is not None and save else None
            probabilities.append(whole if saved is None else whole if single else saved.dataobj)
        if failures:
            raise ScanError(f"{len(failures)} of {len(paths)} inputs failed, the others are in {folder}: {'; '.join(failures)}")
        return (labels[0], probabilities[0]) if single else (labels, probabilities)

    def _names(self, paths: Sequence[Path], folder: Path) -> list[str]:
        """Name outputs as `darts-segment` does, and differently from all that this object has saved in the folder before."""
        inputs = [path.absolute() for path in paths]
        names = self._names_in.setdefault(folder.absolute(), {})
        for scan in name_scans(list(dict.fromkeys([*names, *inputs]))):
            # T1.mgz and T1.nii.gz of one folder differ only in their extension.
            taken = {name for path, name in names.items() if path != scan.path}
            names.setdefault(scan.path, scan.path.name.replace(".", "_") if scan.name in taken else scan.name)
        return [names[path] for path in inputs]


def save_prediction(result: Result, folder: Path, name: str, *, mgz: bool, probabilities: bool) -> Path:
    """Write `<name>_seg.mgz` or `<name>_seg.nii.gz`, and before it, if wanted, `<name>_prob.nii.gz`.

    Returns
    -------
    Path
        Of the label map.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScanError(f"{folder}: {error.strerror}; expected a folder to write to") from None
    if probabilities:
        write_series(_native_classes(result), N_CLASSES, result.scan, folder / f"{name}_prob.nii.gz")
    path = folder / f"{name}_seg{'.mgz' if mgz else '.nii.gz'}"
    write_label_map(result.ids, result.scan, path)
    return path


def write_class_list(path: str | Path) -> None:
    """Write FreeSurfer ids and names of the 102 regions and the background (id 0, "None").

    Parameters
    ----------
    path : path
        `.tsv`: class_index, id, name, hemisphere, group, r, g, b. `.txt`: a colour table for freeview. `.json` and `.pkl`: a
        mapping from id (in JSON a string) to name; the pickle holds nothing but a dict of int and str.

    Raises
    ------
    UsageError
        If the file name ends otherwise.
    """
    path = Path(path)
    names = {0: "None"} | {region.id: region.name for region in REGIONS}
    if path.suffix == ".tsv":
        rows = [(r.class_index, r.id, r.name, r.hemisphere, r.group, *r.rgb) for r in REGIONS]
        rows.append((N_CLASSES - 1, 0, "None", "midline", "background", 0, 0, 0))
        header = ("class_index", "id", "name", "hemisphere", "group", "r", "g", "b")
        content = "".join("\t".join(map(str, row)) + "\n" for row in [header, *rows]).encode()
    elif path.suffix == ".txt":
        colours = {0: (0, 0, 0)} | {region.id: region.rgb for region in REGIONS}
        content = "".join(f"{id_} {names[id_]} {r} {g} {b} 0\n" for id_, (r, g, b) in sorted(colours.items())).encode()
    elif path.suffix == ".json":
        content = (json.dumps(names, indent=1) + "\n").encode()
    elif path.suffix == ".pkl":
        content = pickle.dumps(names, protocol=2)
    else:
        raise UsageError(f"{path}: class list of another type; expected {', '.join(CLASS_LIST_EXTENSIONS)}")
    with written_whole(path, error=UsageError, expected="a file that can be written") as temporary:
        temporary.write_bytes(content)


def _native_classes(result: Result) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the probabilities class by class on the grid of the scan, so that only one class is held in float32."""
    assert result.probabilities_box is not None
    for one in range(N_CLASSES):
        yield probabilities_to_native(result.probabilities_box, result.origin, result.conformed, [one])[..., 0]


def _all_probabilities(result: Result) -> npt.NDArray[np.float16]:
    # Fortran order: each class is written in one piece.
    whole = np.empty((*result.ids.shape, N_CLASSES), dtype=np.float16, order="F")
    for number, one in enumerate(_native_classes(result)):
        whole[..., number] = one
    return whole
