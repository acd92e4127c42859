"""Node types that transform media in the kernel. `transforms` implements them and is imported when one runs.

The functions here are declarations: only their signatures are used, and they are never called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from fusionflow_nb.catalog.declare import declare
from fusionflow_nb.catalog.image import Pixels
from fusionflow_nb.catalog.node_type import Kind, NodeType, OutputPort, Passes
from fusionflow_nb.media.batch import Batch
from fusionflow_nb.media.handles import Audio, Image, Mask, Video
from fusionflow_nb.media.ports import PortType

if TYPE_CHECKING:
    from collections.abc import Callable

Fraction = Annotated[float, Field(ge=0, le=1)]
Signed = Annotated[float, Field(ge=-1, le=1)]
Color = Annotated[str, Field(json_schema_extra={"format": "color"})]
Seconds = Annotated[float, Field(ge=0, le=3600, description="seconds")]
Anchor = Literal[
    "top-left", "top", "top-right", "left", "center", "right", "bottom-left", "bottom", "bottom-right"
]  # fmt: skip


def resize(
    image: Image,
    width: Pixels | None = None,
    height: Pixels | None = None,
    fit: Literal["contain", "cover", "stretch", "inside"] = "inside",
    upscale: bool = True,
    ground: Color = "transparent",
) -> Image:
    """Resizes a picture (Lanczos)."""


def crop(
    image: Image,
    x: Fraction = 0.0,
    y: Fraction = 0.0,
    width: Fraction = 1.0,
    height: Fraction = 1.0,
    aspect: str | None = None,
    anchor: Anchor = "center",
) -> Image:
    """A part of the picture, in fractions of its sides, or the largest part with an aspect such as 16:9."""


def blend(
    base: Image,
    top: Image,
    mask: Mask | None = None,
    mode: Literal["normal", "multiply", "screen", "overlay", "soft-light", "difference", "add"] = "normal",
    opacity: Fraction = 1.0,
) -> Image:
    """Blends two pictures."""


def grade(
    image: Image,
    exposure: Annotated[float, Field(ge=-4, le=4, description="stops")] = 0.0,
    contrast: Signed = 0.0,
    saturation: Signed = 0.0,
    temperature: Signed = 0.0,
    tint: Signed = 0.0,
    hue: Annotated[float, Field(ge=-180, le=180, description="degrees")] = 0.0,
    lift: Signed = 0.0,
    gamma: Annotated[float, Field(ge=0.2, le=5)] = 1.0,
    gain: Annotated[float, Field(ge=0, le=4)] = 1.0,
) -> Image:
    """Adjusts light and colour with a lookup table."""


def text_overlay(
    image: Image,
    text: str,
    position: Anchor = "bottom",
    size: Annotated[float, Field(gt=0, le=1, description="of the height")] = 0.08,
    fill: Color = "white",
    outline: Annotated[float, Field(ge=0, le=1)] = 0.0,
    outline_fill: Color = "black",
    shadow: Fraction = 0.6,
    width: Annotated[float, Field(gt=0, le=1, description="of the width")] = 0.9,
    margin: Annotated[float, Field(ge=0, le=0.5)] = 0.05,
) -> Image:
    """Draws text on a picture."""


def mask_from_luminance(
    image: Image, low: Fraction = 0.5, high: Fraction = 1.0, feather: Fraction = 0.1, invert: bool = False
) -> Mask:
    """A mask that is white where the brightness is between low and high."""


def mask_shape(
    like: Image,
    shape: Literal["ellipse", "rectangle", "gradient"] = "ellipse",
    x: Fraction = 0.5,
    y: Fraction = 0.5,
    width: Annotated[float, Field(gt=0, le=2)] = 0.8,
    height: Annotated[float, Field(gt=0, le=2)] = 0.8,
    feather: Fraction = 0.1,
    angle: Annotated[float, Field(ge=-360, le=360, description="degrees")] = 0.0,
    invert: bool = False,
) -> Mask:
    """A mask with an ellipse, a rectangle or a gradient, in the size of a picture."""


def mask_combine(a: Mask, b: Mask, mode: Literal["add", "subtract", "intersect", "difference"] = "add") -> Mask:
    """Combines two masks."""


def apply_mask(image: Image, mask: Mask) -> Image:
    """Makes a picture transparent where the mask is black."""


def contact_sheet(
    images: Batch[Image] | None = None,
    videos: Batch[Video] | None = None,
    columns: Annotated[int, Field(ge=1, le=64)] | None = None,
    title: str = "",
    cell_px: Annotated[int, Field(ge=64, le=1024, description="pixels")] = 256,
    theme: Literal["dark", "light"] = "dark",
) -> Image:
    """A batch on a sheet: rows and columns labelled by its axes, missing cells marked."""


def ken_burns(
    image: Image,
    duration_s: Annotated[float, Field(ge=0.1, le=60, description="seconds")] = 4.0,
    fps: Annotated[float, Field(ge=1, le=60)] = 24.0,
    width: Pixels | None = None,
    height: Pixels | None = None,
) -> Video:
    """A video that slowly zooms into the middle of a picture."""


def dissolve(
    first: Video, second: Video, duration_s: Seconds = 1.0, fit: Literal["cover", "contain"] = "cover"
) -> Video:
    """A dissolve from one video to another."""


def concatenate(videos: list[Video], fit: Literal["cover", "contain"] = "cover") -> Video:
    """Joins videos; a batch is joined in order."""


def trim(video: Video, start_s: Seconds = 0.0, end_s: Seconds | None = None) -> Video:
    """A part of a video."""


def first_frame(video: Video) -> Image:
    """The first frame of a video."""


def last_frame(video: Video) -> Image:
    """The last frame of a video."""


def add_audio(video: Video, audio: Audio) -> Video:
    """Replaces the sound of a video."""


def node_types() -> list[NodeType]:
    """The declarations of this family."""
    package = "fusionflow_nb.transforms"
    pictures: dict[Callable[..., Any], str] = {
        resize: f"{package}.image:resize",
        crop: f"{package}.image:crop",
        blend: f"{package}.blend:blend",
        grade: f"{package}.grade:grade",
        text_overlay: f"{package}.text_overlay:text_overlay",
        mask_from_luminance: f"{package}.mask:mask_from_luminance",
        mask_shape: f"{package}.mask:mask_shape",
        mask_combine: f"{package}.mask:mask_combine",
        apply_mask: f"{package}.mask:apply_mask",
        contact_sheet: f"{package}.batch_sheet:batch_sheet",
    }
    video_functions = (ken_burns, dissolve, concatenate, trim, first_frame, last_frame, add_audio)
    return [
        *(
            declare(
                function,
                kind=Kind.LOCAL,
                category="Transform",
                passes=Passes.PICTURES,
                run=run,
                outputs=(OutputPort("mask", PortType.MASK),)
                if function.__name__.startswith("mask_")
                else (OutputPort("image", PortType.IMAGE),),
            )
            for function, run in pictures.items()
        ),
        *(
            declare(
                function,
                kind=Kind.LOCAL,
                category="Transform",
                passes=Passes.FILES,
                run=f"{package}.video:{function.__name__}",
            )
            for function in video_functions
        ),
    ]
