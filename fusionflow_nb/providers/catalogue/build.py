"""Build `facts.json`, which the package reads, from `models.csv`, which is edited by hand.

    python -m fusionflow_nb.providers.catalogue.build

A row that cannot be parsed is an error: nothing is guessed.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MODELS_CSV, FACTS = HERE / "models.csv", HERE / "facts.json"

TASKS = {
    "text-to-image": "text-to-image",
    "image-edit": "edit-image",
    "image-to-image": "edit-image",
    "upscale": "upscale",
    "background-removal": "remove-background",
    "text-to-video": "text-to-video",
    "image-to-video": "image-to-video",
    "video-to-video": "video-to-video",
    "video-edit": "video-to-video",
    "video-upscale": "video-to-video",
    "text-to-speech": "text-to-audio",
    "sound-effect": "text-to-audio",
    "music": "text-to-audio",
}
RETIRED_TASKS = {
    # models.csv has the end date of these in its column of tasks.
    "gpt-image-1": ["text-to-image", "edit-image"],
    "sora-2": ["text-to-video", "image-to-video"],
    "veo-3.1-generate-preview": ["text-to-video", "image-to-video"],
}
# 1024x1024 at high quality costs $0.211 at $30 per million tokens.
TOKENS_PER_MEGAPIXEL = {"USD/1M image output tokens": 7034, "USD/1M video output tokens": 0}

_RETIRED = re.compile(r"retired (?:on .*?)?(\d{4}-\d\d-\d\d)")
_TIER = re.compile(r"(\d+(?:\.\d+)?[kKpP]) (\d+(?:\.\d+)?)")
_BASE_TIERS = re.compile(r"\b(\d+(?:\.\d+)?[kKpP])\b")
_INPUT_PRICE = re.compile(r"\+(\d+\.\d+) per extra reference|input image (\d+\.\d+)")
_FURTHER = re.compile(r"\+(\d+\.\d+)(?: per further|/MP)")


def facts(text: str) -> list[dict[str, Any]]:
    """Parse the rows of models.csv. Raises ValueError for a row that cannot be parsed."""
    return [_fact(row) for row in csv.DictReader(text.splitlines())]


def _fact(row: dict[str, str]) -> dict[str, Any]:
    retired = _RETIRED.search(row["task"])
    model = row["provider_model_id"]
    tasks = RETIRED_TASKS[model] if retired else [TASKS[task] for task in row["task"].split(";")]
    price = _price(float(row["price"]), row["price_unit"]) if row["price"] else None
    fact = {
        "alias": row["alias"],
        "provider": row["provider"],
        "model": model,
        "tasks": list(dict.fromkeys(tasks)),
        "fields": [field.strip() for field in row["inputs"].split(";") if field.strip()],
        "price": price,
        # Only a price read in the service's documentation is certain; others count only in the high estimate.
        "is_price_uncertain": "price: read-in-docs" not in row["confidence"] or "per megapixel" in row["price_unit"],
        "source": row["source"],
        "source_date": row["source_date"],
        "retires_on": retired[1] if retired else None,
    }
    return {name: value for name, value in fact.items() if value not in (None, [], "")}


def _price(usd: float, unit: str) -> dict[str, Any]:
    """Parse a price unit of models.csv to a price rule."""
    words = unit.partition("(")[0].strip()
    if words.startswith("USD/1M"):
        ins = {f"{kind}_in_usd": float(price) / 1e6 for kind, price in re.findall(r"(text|image) in (\d+)", unit)}
        return {"rule": "per_token", "usd": usd / 1e6, **_tokens(words), **ins}
    if words.startswith("USD first"):
        further = _FURTHER.search(unit)
        if further is None:
            raise ValueError(unit)
        by = float(further[1])  # an input megapixel costs as much as a further output megapixel
        return {"rule": "per_megapixel", "usd": usd, "further_usd": by, "megapixel_in_usd": by}
    if "megapixel" in unit:  # per image or per megapixel: undocumented, so assume the higher price
        return {"rule": "per_megapixel", "usd": usd, "further_usd": usd}
    if words.startswith("USD/character"):
        return {"rule": "per_character", "usd": usd}
    if words.startswith("USD/song"):
        return {"rule": "per_call", "usd": usd}
    for start, rule in (("USD/image", "per_image"), ("USD/second", "per_second")):
        if words.startswith(start):
            tiers = {name: float(price) for name, price in _TIER.findall(unit)}
            base = dict.fromkeys(_BASE_TIERS.findall(words), usd) if tiers else {}
            edit_prices = [float(price) for price in re.findall(r"\(edit (\d+\.\d+)", unit)]
            each_in = _INPUT_PRICE.search(unit)
            return {
                "rule": rule,
                "usd": max([usd, *edit_prices]),
                **({"tiers": {**base, **tiers}} if tiers else {}),
                **({"picture_in_usd": float(each_in[1] or each_in[2])} if each_in else {}),
            }
    raise ValueError(unit)


def _tokens(words: str) -> dict[str, Any]:
    per_megapixel = TOKENS_PER_MEGAPIXEL[words]
    if not per_megapixel:  # $0.10 per second at $17.5 per million tokens
        return {"low_tokens": 0, "high_tokens": 0, "high_tokens_per_second": 5715}
    return {"low_tokens": 0, "high_tokens": per_megapixel, "high_tokens_per_megapixel": per_megapixel}


def main() -> None:
    """Write `facts.json`."""
    lines = [json.dumps(fact) for fact in facts(MODELS_CSV.read_text())]
    FACTS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
