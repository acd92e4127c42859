"""Grade the colours of an image through a 3D lookup table.

`grade_table` computes all colours; `grade` only looks them up. Any viewer (a shader, a .cube file) that interpolates
the same table shows the same image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from PIL import Image, ImageFilter

from fusionflow_nb.media.rgb import to_rgb
from fusionflow_nb.transforms.checks import in_range, one_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

TABLE_SIZE: Final = 33
"""Nodes along each side of the table."""

RANGES: Final[dict[str, tuple[float, float, float]]] = {
    "exposure": (-5.0, 0.0, 5.0),
    "contrast": (-1.0, 0.0, 1.0),
    "saturation": (-1.0, 0.0, 1.0),
    "temperature": (-1.0, 0.0, 1.0),
    "tint": (-1.0, 0.0, 1.0),
    "hue": (-180.0, 0.0, 180.0),
    "lift": (-1.0, 0.0, 1.0),
    "gamma": (0.2, 1.0, 5.0),
    "gain": (0.0, 1.0, 4.0),
}
"""Lowest, neutral and highest value of each setting; all are numbers."""

# Rec. 709 / sRGB weights of linear red, green and blue in luminance.
_LIGHT: Final = np.array([0.2126, 0.7152, 0.0722])

# Björn Ottosson's OKLab: linear sRGB -> cone responses; their cube roots -> lightness, a, b.
_TO_CONES: Final = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB: Final = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_CONES: Final = np.linalg.inv(_TO_CONES)
_FROM_LAB: Final = np.linalg.inv(_TO_LAB)


def grade(
    image: Image.Image,
    *,
    exposure: float = 0.0,
    contrast: float = 0.0,
    saturation: float = 0.0,
    temperature: float = 0.0,
    tint: float = 0.0,
    hue: float = 0.0,
    lift: float = 0.0,
    gamma: float = 1.0,
    gain: float = 1.0,
) -> Image.Image:
    """Grade the colours of an image; `grade_table` describes the settings.

    Grey images become RGB, transparency is kept. Neutral settings do not change a pixel.

    Raises:
        ParameterError: a setting is out of range.

    >>> grade(Image.new("RGB", (1, 1), (100, 100, 100)), exposure=1).getpixel((0, 0))
    (138, 138, 138)
    """
    table = grade_table(
        exposure=exposure,
        contrast=contrast,
        saturation=saturation,
        temperature=temperature,
        tint=tint,
        hue=hue,
        lift=lift,
        gamma=gamma,
        gain=gain,
    )
    return apply_table(image, table)


def apply_table(image: Image.Image, table: NDArray[np.float32]) -> Image.Image:
    """Apply a table of `grade_table` to an image, with linear interpolation between its nodes."""
    plain = to_rgb(image)
    plain = plain if plain.mode == "RGBA" else plain.convert("RGB")
    if np.array_equal(table, identity_table()):
        return plain.copy()  # exact, because interpolation may be off by one level
    return plain.filter(ImageFilter.Color3DLUT(table.shape[0], table.reshape(-1).copy()))


def identity_table() -> NDArray[np.float32]:
    """The identity table."""
    return _grid().astype(np.float32)


def grade_table(**settings: float) -> NDArray[np.float32]:
    """The table of the settings, float32 of shape (33, 33, 33, 3): `table[b, g, r]` is the result for r, g, b.

    Input and output are sRGB as displayed, 0..1; the nodes are at i/32. Red varies fastest, as in a 3D texture
    (x red, y green, z blue) or a .cube file. Neutral settings give `identity_table()`
    exactly. The steps, in this order, skipped if neutral:

    In linear light:
        temperature: -1 cool .. 1 warm, red against blue; tint: -1 green .. 1 magenta; grey keeps its luminance.
        exposure: stops, each doubles linear light.
        hue: degrees around the OKLab colour circle; saturation: -1 grey .. 1 twice the OKLab chroma.
        Both keep the lightness.
    As displayed:
        contrast: an S curve around the middle that keeps black and white; below 0, towards uniform grey.
        lift: raises (or lowers) black and keeps white; gain: multiplies, keeps black;
        gamma: changes the middle, above 1 is lighter.

    Raises:
        ParameterError: a setting is unknown or out of range.

    >>> grade_table(exposure=0.5).shape
    (33, 33, 33, 3)
    """
    value = {name: neutral for name, (_, neutral, _) in RANGES.items()}
    for name, amount in settings.items():
        low, _, high = RANGES[one_of("setting", name, RANGES)]
        value[name] = in_range(name, amount, low, high)
    if all(value[name] == neutral for name, (_, neutral, _) in RANGES.items()):
        return identity_table()
    colours = _in_linear_light(_grid(), value)
    return np.clip(_as_displayed(colours, value), 0, 1).astype(np.float32)


def _grid() -> Floats:
    """The displayed colour at each node, as [b, g, r] -> (r, g, b)."""
    steps = np.arange(TABLE_SIZE) / (TABLE_SIZE - 1)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return np.stack([red, green, blue], axis=-1)


def _in_linear_light(colours: Floats, value: dict[str, float]) -> Floats:
    is_tinted = value["temperature"] != 0 or value["tint"] != 0
    is_turned = value["hue"] != 0 or value["saturation"] != 0
    if not (is_tinted or is_turned or value["exposure"] != 0):
        return colours  # skipped, because the conversion to linear light and back would round
    light = linear(colours)
    if is_tinted:
        # 0.6 and 0.5 stops at the ends: about from shade to candle light.
        gains = np.exp2(
            np.array([0.6, 0.0, -0.6]) * value["temperature"] + np.array([0.25, -0.5, 0.25]) * value["tint"]
        )
        light = light * (gains / (gains @ _LIGHT))
    light = light * 2.0 ** value["exposure"]
    if is_turned:
        lab = np.cbrt(light @ _TO_CONES.T) @ _TO_LAB.T
        turn = np.deg2rad(value["hue"])
        a, b = lab[..., 1].copy(), lab[..., 2].copy()
        chroma = 1 + value["saturation"]
        lab[..., 1] = chroma * (a * np.cos(turn) - b * np.sin(turn))
        lab[..., 2] = chroma * (a * np.sin(turn) + b * np.cos(turn))
        light = (lab @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T
    return displayed(np.clip(light, 0, 1))


def _as_displayed(colours: Floats, value: dict[str, float]) -> Floats:
    if value["contrast"] > 0:
        power = 1 + 1.5 * value["contrast"]
        low, high = np.minimum(colours, 0.5) * 2, np.maximum(colours - 0.5, 0) * 2
        colours = np.where(colours < 0.5, low**power / 2, 1 - (1 - high) ** power / 2)  # noqa: PLR2004 - the middle
    elif value["contrast"] < 0:
        colours = 0.5 + (colours - 0.5) * (1 + value["contrast"])
    if value["lift"] != 0 or value["gain"] != 1:
        colours = np.clip(colours * value["gain"] + value["lift"] * (1 - colours), 0, 1)
    return colours ** (1 / value["gamma"]) if value["gamma"] != 1 else colours


def linear(colours: Floats) -> Floats:
    """Linear light of displayed sRGB colours, both 0..1."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - IEC 61966-2-1


def displayed(light: Floats) -> Floats:
    """Displayed sRGB colours of linear light, both 0..1."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)  # noqa: PLR2004 - IEC 61966-2-1
