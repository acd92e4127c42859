"""The Python node of a template, as a user would write it; `templates.cell_source` returns it as a cell."""

import fusionflow_nb as ff


def grain(image: ff.Image, amount: float = 0.2) -> ff.Image:
    """Film grain over an image."""
    import numpy as np  # noqa: PLC0415

    pixels = image.numpy()[..., :3].astype(float)
    noise = np.random.default_rng(7).normal(0, 64 * amount, pixels.shape[:2])
    return np.clip(pixels + noise[..., None], 0, 255).astype(np.uint8)  # type: ignore[return-value]
