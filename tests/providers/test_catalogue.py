"""The model catalogue: one entry per row of models.csv, estimates that are never too low, and users' own entries."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest

from fusionflow_nb import errors
from fusionflow_nb.providers import catalogue
from fusionflow_nb.providers.catalogue import build
from fusionflow_nb.providers.catalogue.equivalents import EQUIVALENT_PAIRS
from fusionflow_nb.providers.catalogue.mappings import EXTRA_MODELS
from fusionflow_nb.providers.registry import Registry
from fusionflow_nb.providers.request_mapping import RequestMapping
from fusionflow_nb.settings.environment import home_folder
from fusionflow_nb.testing.fake import FakeProvider

if TYPE_CHECKING:
    from pathlib import Path

    from fusionflow_nb.providers.model import ModelEntry

FLUX_PRO = "fal/fal-ai/flux-pro/v1.1"


def entry(identity: str) -> ModelEntry:
    [result] = [model for model in catalogue.built_in() if model.id == identity]
    return result


def test_facts_json_equals_the_built_models_csv() -> None:
    """`facts.json` is built from `models.csv`, never edited."""
    assert json.loads(build.FACTS.read_text()) == build.facts(build.MODELS_CSV.read_text())


def test_every_row_is_an_entry_with_a_unique_alias() -> None:
    """No alias belongs to two models."""
    aliases = [alias for model in catalogue.built_in() for alias in model.aliases]
    rows = len(build.MODELS_CSV.read_text().splitlines()) - 1
    assert len(aliases) == len(set(aliases)) == rows + len(EXTRA_MODELS)


def test_an_unknown_price_unit_stops_the_build() -> None:
    """The parser guesses nothing."""
    with pytest.raises(ValueError, match="per fortnight"):
        build.facts(
            "alias,provider,provider_model_id,task,inputs,price,price_unit,source,source_date,confidence\n"
            "a,fal,b,upscale,,1,USD per fortnight,,,"
        )


@pytest.mark.parametrize(
    ("identity", "settings", "low", "high"),
    [
        (FLUX_PRO, {"count": 2}, 0, 80_000),
        (FLUX_PRO, {"width": 2048, "height": 1024}, 0, 80_000),
        ("fal/fal-ai/flux-pro/v1.1-ultra", {}, 0, 60_000),
        ("fal/fal-ai/nano-banana-2", {"resolution": "2K"}, 0, 120_000),
        ("fal/fal-ai/nano-banana-2", {}, 0, 160_000),
        ("bfl/flux-2-pro", {"width": 2048, "height": 2048}, 30_000, 75_000),
        ("google/lyria-3.5", {}, 80_000, 80_000),
        ("google/gemini-3.1-flash-image", {"resolution": "1K"}, 0, 67_200),
        ("google/gemini-3.1-flash-image", {}, 0, 162_000),
        ("google/gemini-omni-1.1-flash", {"duration_s": 4}, 0, 400_050),
        ("google/gemini-omni-1.1-flash", {}, 0, 1_500_187),
        ("minimax/MiniMax-H3", {"duration_s": 4, "resolution": "768P"}, 0, 320_000),
        ("runway/gen4_image", {}, 50_000, 50_000),
        ("runway/gen4_image", {"resolution": "1080p"}, 80_000, 80_000),
        ("runway/gen4.5", {}, 600_000, 600_000),
        ("runway/veo3.1", {"duration_s": 4, "with_audio": False}, 800_000, 800_000),
        ("openai/gpt-image-2", {"width": 1024, "height": 1024}, 0, 211_020),
        ("openai/gpt-image-2", {"width": 2048, "height": 2048, "count": 2}, 0, 1_688_160),
    ],
    ids=[
        "uncertain",
        "begun-megapixel",
        "image",
        "tier",
        "any-tier",
        "further",
        "call",
        "tokens-of-1K",
        "tokens-of-any",
        "tokens-by-second",
        "longest",
        "film",
        "usual-size",
        "by-class",
        "usual-length",
        "silent",
        "tokens",
        "large",
    ],
)
def test_estimates_are_never_below_the_price(identity: str, settings: dict[str, object], low: int, high: int) -> None:
    """An uncertain price counts only in the high estimate; omitted settings count as the most expensive."""
    estimate = entry(identity).estimate(settings)
    assert estimate.high_micro_usd == high
    assert estimate.low_micro_usd in {low, high}
    assert not estimate.is_unpriced


@pytest.mark.parametrize(
    ("identity", "settings", "prompt", "pictures", "low", "high"),
    [
        ("openai/gpt-image-2", {"width": 1024, "height": 1024}, "x" * 1000, [], 0, 211_020 + 5_000),
        ("openai/gpt-image-2", {"width": 1024, "height": 1024}, "é", [2**20, 2**19], 0, 211_020 + 10 + 84_408),
        ("openai/gpt-image-2", {"width": 1024, "height": 1024}, "", [None], 0, 211_020 + 225_088),
        ("bfl/flux-2-pro", {"width": 1024, "height": 1024}, "", [2**20, 2**20 + 1], 30_000, 75_000),
        ("bfl/flux-2-pro", {}, "", [4 * 2**20], 30_000, 135_000),
        ("luma/uni-1", {}, "", [1, 1], 43_400, 49_400),
        ("minimax/MiniMax-H3", {"duration_s": 4, "resolution": "768P"}, "", [1, 1], 0, 400_000),
        ("fal/fal-ai/flux-pro/v1.1-ultra", {}, "x" * 1000, [2**22], 0, 60_000),
    ],
    ids=[
        "prompt",
        "references",
        "not made yet",
        "megapixels in",
        "as large as what goes in",
        "each reference",
        "each picture of a film",
        "flat",
    ],
)
def test_inputs_raise_the_high_estimate(  # noqa: PLR0917 - a table
    identity: str, settings: dict[str, object], prompt: str, pictures: list[int | None], low: int, high: int
) -> None:
    """Prompt and reference tokens, megapixels and input images raise only the high estimate."""
    estimate = entry(identity).estimate(settings, prompt=prompt, image_pixels=pictures)
    assert (estimate.low_micro_usd, estimate.high_micro_usd) == (low, high)


@pytest.mark.parametrize("identity", ["fal/fal-ai/clarity-upscaler", "fal/bytedance/seedance-2.0/text-to-video"])
def test_a_model_without_a_price_is_unpriced(identity: str) -> None:
    """Without a price, or with a price per second but no length, the user must set an allowance."""
    assert entry(identity).estimate({}).is_unpriced


def test_equivalent_models_refer_to_each_other() -> None:
    """Each pair names two existing entries and its source."""
    entries = {model.id: model for model in catalogue.built_in()}
    assert EQUIVALENT_PAIRS
    for pair in EQUIVALENT_PAIRS:
        assert pair.source
        assert pair.source_date
        assert entries[pair.first].is_same_as(pair.second)
        assert entries[pair.second].is_same_as(pair.first)
    assert not entry("bfl/flux-pro-1.1").is_same_as(FLUX_PRO)  # no source


def test_a_retiring_model_warns_then_names_its_successor() -> None:
    """A warning before the date, an error from then on."""

    class Openai(FakeProvider):
        name = "openai"
        models = tuple(model for model in catalogue.built_in() if model.provider == "openai")

    with pytest.warns(FutureWarning, match=r"gpt-image-1\.5 ends on 2026-12-01\. Use openai/gpt-image-2\.6-flare"):
        Registry([Openai()], today=lambda: dt.date(2026, 11, 23)).resolve("gpt-image-1.5")
    ended = Registry([Openai()], today=lambda: dt.date(2026, 12, 1))
    with pytest.raises(errors.RetiredModelError, match=r"ended on 2026-12-01\. Use openai/gpt-image-2\.6-flare"):
        ended.resolve("gpt-image-1.5")
    with pytest.raises(errors.RetiredModelError, match=r"sora-2 ended on 2026-09-24\. ff\.models\(task"):
        ended.resolve("sora-2")
    assert [model.successor in {other.id for other in Openai.models} for model in Openai.models if model.successor] == [
        True
    ] * 3


def test_a_retired_model_has_its_end_date() -> None:
    """The date in models.csv is the entry's."""
    assert entry("openai/sora-2").retires_on == dt.date(2026, 9, 24)


def test_an_unknown_setting_lists_the_known_settings() -> None:
    """An error by default, a warning with `strict=False`."""
    flux = entry(FLUX_PRO)
    with pytest.raises(errors.SettingError, match=r"has no setting 'steps'.*aspect_ratio, count.*safety_tolerance"):
        flux.check_settings({"steps": 20})
    with pytest.warns(UserWarning, match="is ignored"):
        assert flux.check_settings({"steps": 20, "seed": 1, "strict": False}) == {"seed": 1}


@pytest.mark.parametrize(
    ("native", "settings", "raw"),
    [
        ({"num_images": 2}, {"count": 2}, {}),
        ({"image_size": "landscape_16_9"}, {"aspect_ratio": "16:9"}, {}),
        ({"image_size": {"width": 640, "height": 480}}, {"width": 640, "height": 480}, {}),
        ({"image_size": "square"}, {}, {"image_size": "square"}),
        ({"safety_tolerance": "3"}, {"safety_tolerance": "3"}, {}),
        ({"fields": {"num_images": 3, "sync_mode": True}}, {"count": 3}, {"sync_mode": True}),
        ({"fields": {"num_images": "many"}}, {}, {"num_images": "many"}),
    ],
    ids=["count", "preset", "pixels", "a word we lack", "its own", "explicit", "explicit and odd"],
)
def test_native_settings_are_accepted(
    native: dict[str, object], settings: dict[str, object], raw: dict[str, object]
) -> None:
    """A mapped field equals its common setting (same price, count and key); others are sent unchanged."""
    checked = entry(FLUX_PRO).check_settings(native)
    assert checked.pop("fields", {}) == raw
    assert checked == settings
    flux = entry(FLUX_PRO)
    assert flux.wire is not None
    body = flux.wire.body("p", flux.check_settings(native), {})
    expected = native.get("fields", native)
    assert isinstance(expected, dict)
    assert body == {"prompt": "p", **expected}
    assert flux.check_settings(flux.check_settings(native)) == flux.check_settings(native)


def test_native_settings_count_in_the_price() -> None:
    """Three images cost three times the price, whatever the field is called."""
    flux = entry(FLUX_PRO)
    for native in ({"num_images": 3}, {"fields": {"num_images": 3}}):
        assert flux.estimate(flux.check_settings(native)).high_micro_usd == 120_000
    large = entry("bfl/flux-2-pro")
    native = {"fields": {"width": 2048, "height": 2048}}
    assert large.estimate(large.check_settings(native)).high_micro_usd == 75_000


def test_texts_and_milliseconds_are_converted() -> None:
    """Numbers as text, and milliseconds, are converted."""
    kling = entry("fal/fal-ai/kling-video/v3/pro/text-to-video")
    assert kling.check_settings({"duration": "5"}) == {"duration_s": 5}
    music = entry("elevenlabs/music_v2_5")
    assert music.check_settings({"music_length_ms": 30_000}) == {"duration_s": 30.0}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sead": 1}, "no setting 'sead'. Did you mean seed.*aspect_ratio, count.*settings={'fields'"),
        ({"num_images": 99}, "expects count to be a whole number from 1 to 10"),
        ({"count": 2, "num_images": 3}, "num_images is set twice"),
        ({"seed": 2, "fields": {"seed": 3}}, "seed is set twice"),
        ({"prompt": "x"}, "gets 'prompt' from prompt"),
    ],
    ids=["typo", "range", "both words", "both, explicit", "prompt"],
)
def test_a_wrong_setting_is_an_error_that_lists_the_choices(settings: dict[str, object], says: str) -> None:
    """A typo is never sent as a field of the service."""
    with pytest.raises(errors.SettingError, match=says):
        entry(FLUX_PRO).check_settings(settings)


def test_a_media_field_is_not_a_setting() -> None:
    """A port fills it; `fields` overrides that."""
    kontext = entry("fal/fal-ai/flux-pro/kontext")
    with pytest.raises(errors.SettingError, match="gets 'image_url' from image"):
        kontext.check_settings({"image_url": "https://example.com/a.png"})
    raw = {"fields": {"image_url": "https://example.com/a.png"}}
    assert kontext.check_settings(raw) == raw


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": 64}, "together"),
        ({"width": 64, "height": 64, "aspect_ratio": "1:1"}, "both a size in pixels and aspect_ratio"),
        ({"seed": 1, "fields": {"seed": 2}}, "seed is set twice"),
        ({"aspect_ratio": "1:1", "fields": {"image_size": "square"}}, "image_size is set twice"),
        ({"aspect_ratio": "5:1"}, "one of 1:1"),
    ],
    ids=["half", "two-sizes", "raw-twice", "raw-size", "ratio"],
)
def test_contradicting_settings_are_errors(settings: dict[str, object], says: str) -> None:
    """The error is raised before anything is sent, with a hint."""
    with pytest.raises(errors.SettingError, match=says):
        entry(FLUX_PRO).check_settings(settings)


@pytest.mark.parametrize(
    ("identity", "settings", "body"),
    [
        (
            FLUX_PRO,
            {"aspect_ratio": "4:3", "count": 1, "seed": 42, "output_format": "jpeg"},
            {"prompt": "p", "image_size": "landscape_4_3", "num_images": 1, "seed": 42, "output_format": "jpeg"},
        ),
        (FLUX_PRO, {"width": 640, "height": 480}, {"prompt": "p", "image_size": {"width": 640, "height": 480}}),
        (
            "replicate/black-forest-labs/flux-1.1-pro",
            {"width": 640, "height": 480},
            {"prompt": "p", "aspect_ratio": "custom", "width": 640, "height": 480},
        ),
        ("openai/gpt-image-2", {"width": 640, "height": 480, "count": 2}, {"prompt": "p", "size": "640x480", "n": 2}),
        (
            "fal/fal-ai/kling-video/v3/pro/text-to-video",
            {"duration_s": 5, "with_audio": False, "aspect_ratio": "9:16"},
            {"prompt": "p", "aspect_ratio": "9:16", "duration": "5", "generate_audio": False},
        ),
        ("fal/fal-ai/elevenlabs/sound-effects/v2", {"duration_s": 2.5}, {"text": "p", "duration_seconds": 2.5}),
        (FLUX_PRO, {"fields": {"sync_mode": True}}, {"prompt": "p", "sync_mode": True}),
    ],
    ids=["preset", "object", "custom", "text", "as-text", "text-field", "raw"],
)
def test_common_settings_become_fields_of_the_service(
    identity: str, settings: dict[str, object], body: dict[str, object]
) -> None:
    """The same request with each service's documented fields."""
    model = entry(identity)
    wire = model.wire
    assert isinstance(wire, RequestMapping)
    assert wire.body("p", model.check_settings(settings), {}) == body


def test_references_are_sent_in_the_models_field() -> None:
    """One URL or a list; an unsupported port is an error."""
    edit, kontext = entry("fal/fal-ai/nano-banana-2/edit").wire, entry("fal/fal-ai/flux-pro/kontext").wire
    assert isinstance(edit, RequestMapping)
    assert isinstance(kontext, RequestMapping)
    assert edit.body("p", {}, {"image": ["a"], "references": ["b"]})["image_urls"] == ["a", "b"]
    assert kontext.body("p", {}, {"image": ["a"]})["image_url"] == "a"
    with pytest.raises(errors.SettingError, match="does not read 'mask'"):
        kontext.body("p", {}, {"image": ["a"], "mask": ["m"]})


def own_models() -> Path:
    folder = home_folder() / catalogue.FOLDER
    folder.mkdir(parents=True)
    return folder


def test_a_user_adds_models_by_a_file() -> None:
    """An entry in the home's `models` folder is added, or replaces a built-in entry with the same id."""
    mine = entry(FLUX_PRO).model_copy(update={"title": "Mine"})
    new = mine.model_copy(update={"provider_model_id": "me/new", "aliases": ("mine",)})
    (own_models() / "mine.json").write_text(json.dumps([model.model_dump(mode="json") for model in (mine, new)]))
    titles = {model.id: model.title for model in catalogue.entries_of("fal")}
    assert (titles[FLUX_PRO], titles["fal/me/new"]) == ("Mine", "Mine")
    assert len(titles) == len([model for model in catalogue.built_in() if model.provider == "fal"]) + 1


@pytest.mark.parametrize(("text", "says"), [("{", "not valid JSON"), ('[{"provider": "a"}]', "0.provider_model_id")])
def test_an_invalid_file_is_reported_and_skipped(text: str, says: str) -> None:
    """The built-in models stay; the warning names the invalid field."""
    (own_models() / "bad.json").write_text(text)
    with pytest.warns(UserWarning, match=f"bad.json.*{says}"):
        assert len(catalogue.entries_of("fal")) > 1
