"""The model catalogue: every row of the sheet is an entry, prices err on the dear side, people add their own."""

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
    [found] = [each for each in catalogue.built_in() if each.id == identity]
    return found


def test_the_facts_are_what_the_sheet_says() -> None:
    """`facts.json` is made of `models.csv`, never edited."""
    assert json.loads(build.FACTS.read_text()) == build.facts(build.MODELS_CSV.read_text())


def test_every_row_is_an_entry_with_a_name_of_its_own() -> None:
    """No alias means two models."""
    aliases = [alias for each in catalogue.built_in() for alias in each.aliases]
    rows = len(build.MODELS_CSV.read_text().splitlines()) - 1
    assert len(aliases) == len(set(aliases)) == rows + len(EXTRA_MODELS)


def test_a_price_nobody_can_read_stops_the_sheet() -> None:
    """Nothing is guessed: a person decides what a new unit means."""
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
def test_estimates_never_lie_below_the_price(identity: str, settings: dict[str, object], low: int, high: int) -> None:
    """An uncertain price counts in the high figure only; what is left open counts as the dearest."""
    found = entry(identity).estimate(settings)
    assert found.high_micro_usd == high
    assert found.low_micro_usd in {low, high}
    assert not found.is_unpriced


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
def test_what_goes_in_counts_in_the_high_estimate(  # noqa: PLR0917 - a table
    identity: str, settings: dict[str, object], prompt: str, pictures: list[int | None], low: int, high: int
) -> None:
    """Tokens of prompt and references, megapixels and pictures that a service charges for; the low one is sure."""
    found = entry(identity).estimate(settings, prompt=prompt, image_pixels=pictures)
    assert (found.low_micro_usd, found.high_micro_usd) == (low, high)


@pytest.mark.parametrize("identity", ["fal/fal-ai/clarity-upscaler", "fal/bytedance/seedance-2.0/text-to-video"])
def test_what_has_no_price_stays_without(identity: str) -> None:
    """No price in the sheet, or one by the second where nobody can say how many: an allowance is needed."""
    assert entry(identity).estimate({}).is_unpriced


def test_the_same_model_is_known_both_ways_by_a_source() -> None:
    """Each pair names two entries there are, and who says that they are one."""
    known = {each.id: each for each in catalogue.built_in()}
    assert EQUIVALENT_PAIRS
    for pair in EQUIVALENT_PAIRS:
        assert pair.source
        assert pair.source_date
        assert known[pair.first].is_same_as(pair.second)
        assert known[pair.second].is_same_as(pair.first)
    assert not entry("bfl/flux-pro-1.1").is_same_as(FLUX_PRO)  # nobody says so


def test_a_model_that_ends_says_so_before_and_names_its_successor_after() -> None:
    """By the page of its service: a warning until the day, an error from it on."""

    class Openai(FakeProvider):
        name = "openai"
        models = tuple(each for each in catalogue.built_in() if each.provider == "openai")

    with pytest.warns(FutureWarning, match=r"gpt-image-1\.5 ends on 2026-12-01\. Use openai/gpt-image-2\.6-flare"):
        Registry([Openai()], today=lambda: dt.date(2026, 11, 23)).resolve("gpt-image-1.5")
    ended = Registry([Openai()], today=lambda: dt.date(2026, 12, 1))
    with pytest.raises(errors.RetiredModelError, match=r"ended on 2026-12-01\. Use openai/gpt-image-2\.6-flare"):
        ended.resolve("gpt-image-1.5")
    with pytest.raises(errors.RetiredModelError, match=r"sora-2 ended on 2026-09-24\. ff\.models\(task"):
        ended.resolve("sora-2")
    assert [each.successor in {one.id for one in Openai.models} for each in Openai.models if each.successor] == [
        True
    ] * 3


def test_a_retired_model_knows_when_it_ended() -> None:
    """The sheet's date of retirement is the entry's."""
    assert entry("openai/sora-2").retires_on == dt.date(2026, 9, 24)


def test_a_setting_the_model_lacks_names_those_it_has() -> None:
    """An error, or where the caller says so a warning; never silence."""
    flux = entry(FLUX_PRO)
    with pytest.raises(errors.SettingError, match=r"has no setting 'steps'.*aspect_ratio, count.*safety_tolerance"):
        flux.check_settings({"steps": 20})
    with pytest.warns(UserWarning, match="left out"):
        assert flux.check_settings({"steps": 20, "seed": 1, "strict": False}) == {"seed": 1}


@pytest.mark.parametrize(
    ("given", "settings", "raw"),
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
def test_the_services_own_words_pass(
    given: dict[str, object], settings: dict[str, object], raw: dict[str, object]
) -> None:
    """A field that the catalogue knows means our word for it, so that price, count and key are alike; or goes as is."""
    checked = entry(FLUX_PRO).check_settings(given)
    assert checked.pop("fields", {}) == raw
    assert checked == settings
    flux = entry(FLUX_PRO)
    assert flux.wire is not None
    body = flux.wire.body("p", flux.check_settings(given), {})
    wanted = given.get("fields", given)
    assert isinstance(wanted, dict)
    assert body == {"prompt": "p", **wanted}
    assert flux.check_settings(flux.check_settings(given)) == flux.check_settings(given)


def test_the_services_own_words_count_in_the_price() -> None:
    """Three pictures cost three, whatever the field is called."""
    flux = entry(FLUX_PRO)
    for given in ({"num_images": 3}, {"fields": {"num_images": 3}}):
        assert flux.estimate(flux.check_settings(given)).high_micro_usd == 120_000
    large = entry("bfl/flux-2-pro")
    given = {"fields": {"width": 2048, "height": 2048}}
    assert large.estimate(large.check_settings(given)).high_micro_usd == 75_000


def test_texts_and_milliseconds_are_understood() -> None:
    """A number as text where the service wants it so; thousandths where it counts them."""
    kling = entry("fal/fal-ai/kling-video/v3/pro/text-to-video")
    assert kling.check_settings({"duration": "5"}) == {"duration_s": 5}
    music = entry("elevenlabs/music_v2_5")
    assert music.check_settings({"music_length_ms": 30_000}) == {"duration_s": 30.0}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sead": 1}, "no setting 'sead'. Did you mean seed.*aspect_ratio, count.*settings={'fields'"),
        ({"num_images": 99}, "takes count as a whole number from 1 to 10"),
        ({"count": 2, "num_images": 3}, "num_images is set twice"),
        ({"seed": 2, "fields": {"seed": 3}}, "seed is set twice"),
        ({"prompt": "x"}, "given 'prompt' as prompt"),
    ],
    ids=["typo", "range", "both words", "both, explicit", "prompt"],
)
def test_a_slip_is_an_error_that_lists_what_there_is(settings: dict[str, object], says: str) -> None:
    """Nobody's typo is sent as a field of the service."""
    with pytest.raises(errors.SettingError, match=says):
        entry(FLUX_PRO).check_settings(settings)


def test_a_medium_is_not_written_by_hand() -> None:
    """It goes over its port; who insists writes `fields`."""
    kontext = entry("fal/fal-ai/flux-pro/kontext")
    with pytest.raises(errors.SettingError, match="given 'image_url' as image"):
        kontext.check_settings({"image_url": "https://example.com/a.png"})
    raw = {"fields": {"image_url": "https://example.com/a.png"}}
    assert kontext.check_settings(raw) == raw


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": 64}, "together"),
        ({"width": 64, "height": 64, "aspect_ratio": "1:1"}, "set twice"),
        ({"seed": 1, "fields": {"seed": 2}}, "seed is set twice"),
        ({"aspect_ratio": "1:1", "fields": {"image_size": "square"}}, "image_size is set twice"),
        ({"aspect_ratio": "5:1"}, "one of 1:1"),
    ],
    ids=["half", "two-sizes", "raw-twice", "raw-size", "ratio"],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, object], says: str) -> None:
    """Before anything is sent, with the next step."""
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
def test_common_words_become_the_fields_of_the_service(
    identity: str, settings: dict[str, object], body: dict[str, object]
) -> None:
    """One request, spelled as each service documents it."""
    found = entry(identity)
    wire = found.wire
    assert isinstance(wire, RequestMapping)
    assert wire.body("p", found.check_settings(settings), {}) == body


def test_references_go_where_the_model_reads_them() -> None:
    """One address, or a list of them; a medium that the model does not read is an error, not left out."""
    edit, kontext = entry("fal/fal-ai/nano-banana-2/edit").wire, entry("fal/fal-ai/flux-pro/kontext").wire
    assert isinstance(edit, RequestMapping)
    assert isinstance(kontext, RequestMapping)
    assert edit.body("p", {}, {"image": ["a"], "references": ["b"]})["image_urls"] == ["a", "b"]
    assert kontext.body("p", {}, {"image": ["a"]})["image_url"] == "a"
    with pytest.raises(errors.SettingError, match="reads no 'mask'"):
        kontext.body("p", {}, {"image": ["a"], "mask": ["m"]})


def own_models() -> Path:
    folder = home_folder() / catalogue.FOLDER
    folder.mkdir(parents=True)
    return folder


def test_a_person_adds_models_by_a_file() -> None:
    """An entry in the home's `models` folder is there, and replaces a built-in one of the same id."""
    mine = entry(FLUX_PRO).model_copy(update={"title": "Mine"})
    new = mine.model_copy(update={"provider_model_id": "me/new", "aliases": ("mine",)})
    (own_models() / "mine.json").write_text(json.dumps([each.model_dump(mode="json") for each in (mine, new)]))
    found = {each.id: each.title for each in catalogue.entries_of("fal")}
    assert (found[FLUX_PRO], found["fal/me/new"]) == ("Mine", "Mine")
    assert len(found) == len([each for each in catalogue.built_in() if each.provider == "fal"]) + 1


@pytest.mark.parametrize(("text", "says"), [("{", "no JSON"), ('[{"provider": "a"}]', "0.provider_model_id")])
def test_a_bad_file_is_named_and_takes_nothing_along(text: str, says: str) -> None:
    """The built-in models stay, and the warning says which field is bad."""
    (own_models() / "bad.json").write_text(text)
    with pytest.warns(UserWarning, match=f"bad.json.*{says}"):
        assert len(catalogue.entries_of("fal")) > 1
