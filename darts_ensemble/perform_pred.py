"""`python -m darts_ensemble.perform_pred`: the published command line, with :mod:`darts_ensemble.published` behind it.

It has the six flags of the published script and the two (`--save_prob`, `--use_gpu`) that the release on PyPI has in addition.
A switch may be given alone or followed by True or False, because the published versions differ in this. `--class_list` is new.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from darts_ensemble.cores import wait_without_spinning
from darts_ensemble.errors import DartsError, UsageError

# Before the next import, which loads torch.
wait_without_spinning()

from darts_ensemble.published import (  # noqa: E402
    CLASS_LIST_EXTENSIONS,
    MODEL_TYPES,
    Segmentation,
    save_prediction,
    write_class_list,
)

__all__ = ["main"]

_EXAMPLES = """examples:
  python -m darts_ensemble.perform_pred --input_image_path T1.mgz --segmentation_dir_path out --file_name 199251 --is_mgz \\
      --model_wts_path dense_unet_back2front_finetuned.pth
  python -m darts_ensemble.perform_pred --class_list classes.tsv
"""


def _switch(text: str) -> bool:
    if text.lower() in ("true", "t", "yes", "y", "1"):
        return True
    if text.lower() in ("false", "f", "no", "n", "0"):
        return False
    raise argparse.ArgumentTypeError(f"{text}; expected True or False")


def _file_name(text: str) -> str:
    if not text or Path(text).name != text:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a name without a folder")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m darts_ensemble.perform_pred",
        description="Segment a T1 scan into 102 regions, in FreeSurfer ids on the grid of the scan.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--input_image_path", type=Path, metavar="FILE", help="T1 scan, .mgz .mgh .nii .nii.gz (required)")
    parser.add_argument("--segmentation_dir_path", type=Path, metavar="DIR", help="folder for the result (required)")
    parser.add_argument("--file_name", type=_file_name, metavar="NAME", help="the result is DIR/NAME_seg.nii.gz (required)")
    parser.add_argument("--model_type", choices=MODEL_TYPES, default="dense-unet", help="default: dense-unet")
    parser.add_argument("--model_wts_path", default="bundled", metavar="FILE",
                        help="weights file, with the view in its name; default: the bundled ensemble of views")  # fmt: skip
    switch: dict[str, Any] = {"type": _switch, "nargs": "?", "const": True, "metavar": "True|False"}
    parser.add_argument("--is_mgz", default=False, help="write DIR/NAME_seg.mgz", **switch)
    parser.add_argument("--save_prob", default=False, help="also write DIR/NAME_prob.nii.gz, 103 classes, float32", **switch)
    parser.add_argument("--use_gpu", default=True, help="use a GPU where there is one; default: True", **switch)
    parser.add_argument("--class_list", type=Path, metavar="FILE",
                        help=f"write ids and names of the regions; {' '.join(CLASS_LIST_EXTENSIONS)}")  # fmt: skip
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code: 0 when everything is done, 1 when something failed.

    Raises
    ------
    SystemExit
        With 2 for wrong usage.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    required = ("input_image_path", "segmentation_dir_path", "file_name")
    missing = [f"--{name}" for name in required if getattr(options, name) is None]
    if missing and (options.class_list is None or len(missing) < len(required)):
        parser.error(f"missing {', '.join(missing)}")
    try:
        if options.class_list is not None:
            write_class_list(options.class_list)
            print(options.class_list)
        if not missing:
            model = Segmentation(options.model_wts_path, options.model_type, options.use_gpu)
            result = model.segmenter.segment(options.input_image_path, keep_probabilities=options.save_prob)
            print(
                save_prediction(
                    result,
                    options.segmentation_dir_path,
                    options.file_name,
                    mgz=options.is_mgz,
                    probabilities=options.save_prob,
                )
            )
    except UsageError as error:
        parser.error(str(error))
    except DartsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
