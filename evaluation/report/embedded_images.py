"""Embed images in an HTML file: SVG unchanged, PNG no wider than a page needs, as data URIs without requests."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from darts_ensemble.errors import DartsError

__all__ = ["LARGEST_SVG", "WIDEST", "EmbeddedImage", "embed_image", "lighter_of"]

#: Pixels; twice the width of a report's column, for screens with double pixel density.
WIDEST = 1920
#: Bytes; a larger vector drawing needs more space than a PNG of it.
LARGEST_SVG = 500_000
_VIEW_BOX = re.compile(rb'viewBox="\s*[-\d.]+[\s,]+[-\d.]+[\s,]+([\d.]+)[\s,]+([\d.]+)\s*"')


@dataclass(frozen=True)
class EmbeddedImage:
    """An image as a data URI, with width and height in pixels and the size in bytes; `vector`: can be scaled up."""

    uri: str
    width: int
    height: int
    n_bytes: int
    vector: bool


def lighter_of(path: Path) -> Path:
    """Return the better file to embed: a PNG or the SVG of the same name.

    Vector drawings stay sharp in print, but a drawing with many points needs more space than a PNG.
    """
    vector, picture = path.with_suffix(".svg"), path.with_suffix(".png")
    if vector.is_file() and (vector.stat().st_size <= LARGEST_SVG or not picture.is_file()):
        return vector
    return picture if picture.is_file() else path


def embed_image(path: Path, *, photograph: bool = False) -> EmbeddedImage:
    """Return an image as a data URI.

    Parameters
    ----------
    path : Path
        SVG, PNG or any other format that Pillow reads. SVG is not changed. Others are scaled to at most :data:`WIDEST` pixels
        and written as WebP with 256 colours.
    photograph : bool
        Whether the image shows tissue rather than lines: then it is compressed with loss.

    Raises
    ------
    DartsError
        If the file can't be read as an image.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".svg":
            found = _VIEW_BOX.search(content[:4000])
            if found is None:
                raise DartsError(f"{path}: an SVG without a viewBox found; expected one; make the figure again")
            return _embedded(content, "svg+xml", round(float(found[1])), round(float(found[2])))
        with Image.open(io.BytesIO(content)) as opened:
            picture = _on_white(opened)
    except UnidentifiedImageError:
        raise DartsError(f"{path}: not an image that can be read; expected PNG or SVG; make the figure again") from None
    except OSError as error:
        raise DartsError(f"{path}: {error.strerror or error}; expected an image; make the figure again") from None
    if picture.width > WIDEST:
        picture = picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if photograph:
        picture.save(buffer, "WEBP", quality=88, method=4)
    else:
        # A drawing has few colours; scaling adds many colours between them, which double the size of the file.
        few = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
        few.save(buffer, "WEBP", lossless=True, quality=25, method=2)
    return _embedded(buffer.getvalue(), "webp", picture.width, picture.height)


def _on_white(opened: Image.Image) -> Image.Image:
    """Return an image in RGB, with white where it is transparent."""
    if not opened.has_transparency_data:
        return opened.convert("RGB")
    layered = opened.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def _embedded(content: bytes, form: str, width: int, height: int) -> EmbeddedImage:
    uri = f"data:image/{form};base64,{base64.b64encode(content).decode('ascii')}"
    return EmbeddedImage(uri, width, height, len(content), vector=form == "svg+xml")
