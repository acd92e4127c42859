"""How a model's service spells what we ask: the mapping table of one model, as data, and the body it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PIXELS = frozenset({"width", "height"})
RAW = "fields"
"""`settings={"fields": {...}}`: fields of the service that no list here has, sent as they are."""


class Size(BaseModel):
    """How the size of a result is spelled.

    `object` a field with width and height in it; `text` a field `WxH`; `ratio` a field with the ratio alone;
    `custom` a field with the ratio, or `custom` and two fields of pixels beside it; `pixels` two fields of pixels and
    nothing else, so that a ratio is `WxH` among the presets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["object", "text", "ratio", "custom", "pixels"]
    field: str
    presets: dict[str, str] = Field(default_factory=dict)
    """The service's own word for a ratio, where it has one; for a ratio and a class (`16:9 1080p`) with `usual`."""
    usual: str = ""
    """Ratio and class where one of them is not asked for: the service has one word for both."""

    def encode(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that say the size; nothing where none was asked for.

        >>> Size(form="text", field="size").encode({"width": 64, "height": 32})
        {'size': '64x32'}
        >>> Size(form="object", field="image_size", presets={"16:9": "wide"}).encode({"aspect_ratio": "16:9"})
        {'image_size': 'wide'}
        >>> both = Size(form="ratio", field="ratio", presets={"16:9 1080p": "1920:1080"}, usual="16:9 720p")
        >>> both.encode({"resolution": "1080p"})
        {'ratio': '1920:1080'}
        """
        ratio = settings.get("aspect_ratio")
        if self.usual:
            return self._encode_preset(ratio, settings.get("resolution"))
        width, height = settings.get("width"), settings.get("height")
        if ratio is not None and self.form == "pixels":
            width, height = map(int, self.presets[ratio].split("x"))
        elif ratio is not None:
            return {self.field: self.presets.get(ratio, ratio)}
        return {} if width is None or height is None else self._encode_pixels(width, height)

    def _encode_preset(self, ratio: str | None, resolution: str | None) -> dict[str, Any]:
        if ratio is None and resolution is None:
            return {}
        usual_ratio, _, usual_class = self.usual.partition(" ")
        return {self.field: self.presets[f"{ratio or usual_ratio} {resolution or usual_class}"]}

    def _encode_pixels(self, width: int, height: int) -> dict[str, Any]:
        match self.form:
            case "object":
                return {self.field: {"width": width, "height": height}}
            case "pixels":
                return {"width": width, "height": height}
            case "custom":
                return {self.field: "custom", "width": width, "height": height}
        return {self.field: f"{width}x{height}"}


class RequestMapping(BaseModel):
    """The mapping table of one model.

    Args:
        prompt: the field of the prompt; None where the model takes none.
        fields: common setting -> field.
        references: port -> field; `[]` at its end means a list, `#` one field each: `image`, `image_2`, `image_3`.
        size: how the size is spelled.
        as_text: fields whose numbers travel as text.
        in_ms: fields that count milliseconds where we count seconds.
        fixed: always sent.
        own_fields: further fields of the service that `settings={...}` may name as they are.
        route: which of the service's endpoints, where it has several.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str | None = "prompt"
    fields: dict[str, str] = Field(default_factory=dict)
    references: dict[str, str] = Field(default_factory=dict)
    size: Size | None = None
    as_text: frozenset[str] = frozenset()
    in_ms: frozenset[str] = frozenset()
    fixed: dict[str, Any] = Field(default_factory=dict)
    own_fields: tuple[str, ...] = ()
    route: str | None = None

    def check(self, settings: Mapping[str, Any], *, model: str, node_id: str | None = None) -> None:
        """Whether settings, each fit by itself, fit together.

        Raises:
            SettingError: half a size, two sizes, or one field set twice.
        """
        pixels = PIXELS & settings.keys()
        if len(pixels) == 1:
            raise errors.SettingError(
                f"{model} needs width and height together.", node_id=node_id, hint="Set both, or aspect_ratio."
            )
        if pixels and settings.get("aspect_ratio") is not None:
            raise errors.SettingError(
                "The size is set twice, in pixels and as aspect_ratio.", node_id=node_id, hint="Set one of them."
            )
        spelled = {self.fields[name] for name in settings if name in self.fields}
        sizes = {"aspect_ratio", "resolution"} if self.size is not None and self.size.usual else {"aspect_ratio"}
        if self.size is not None and (pixels or sizes & settings.keys()):
            spelled.add(self.size.field)
        own = {*(name for name in settings if name in self.own_fields), *settings.get(RAW, {})}
        twice = sorted(spelled & own)
        if twice:
            raise errors.SettingError(
                f"{', '.join(twice)} is set twice, by its common name and by the service's.",
                node_id=node_id,
                hint="Set it once.",
            )

    def body(
        self, prompt: str | None, settings: Mapping[str, Any], references: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        """What is sent: prompt, size, settings, references, in the order of the mapping table.

        Args:
            prompt: the prompt.
            settings: as the model's entry has checked them.
            references: what stands for each medium (an address, a data URI), by port.

        Raises:
            SettingError: media for a port that the model does not read.
        """
        body: dict[str, Any] = {}
        if self.prompt is not None and prompt is not None:
            body[self.prompt] = prompt
        if self.size is not None:
            body.update(self.size.encode(settings))
        body.update({field: settings[name] for name, field in self.fields.items() if name in settings})
        body.update({name: settings[name] for name in self.own_fields if name in settings})
        for port, found in references.items():
            self._add_references(body, port, found)
        for field in self.in_ms & body.keys():
            body[field] = round(body[field] * 1000)
        for field in self.as_text & body.keys():
            body[field] = f"{body[field]:g}" if isinstance(body[field], float) else str(body[field])
        return {**self.fixed, **body, **settings.get(RAW, {})}

    def _add_references(self, body: dict[str, Any], port: str, found: Sequence[Any]) -> None:
        field = self.references.get(port)
        if not found:
            return
        if field is None:
            takes = ", ".join(self.references) or "none"
            raise errors.SettingError(f"This model reads no {port!r}.", hint=f"It reads: {takes}.")
        if field.endswith("[]"):
            body.setdefault(field[:-2], []).extend(found)
        elif field.endswith("#"):
            begun = sum(1 for name in body if name == field[:-1] or name.startswith(f"{field[:-1]}_"))
            for number, each in enumerate(found, begun + 1):
                body[field[:-1] if number == 1 else f"{field[:-1]}_{number}"] = each
        else:
            body[field] = found[0]
