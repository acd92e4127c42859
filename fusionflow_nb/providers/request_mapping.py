"""Mapping of common settings to the request body of a service: data per model, and the code that builds the body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fusionflow_nb import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PIXELS = frozenset({"width", "height"})
RAW = "fields"
"""`settings={"fields": {...}}`: fields of the service that are sent unchecked."""


class Size(BaseModel):
    """How a service encodes the size of a result.

    `object`: a field that holds width and height; `text`: a field `WxH`; `ratio`: a field with the aspect ratio;
    `custom`: a field with the aspect ratio, or `custom` plus a field each for width and height; `pixels`: fields for
    width and height only, so that a ratio needs a `WxH` preset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal["object", "text", "ratio", "custom", "pixels"]
    field: str
    presets: dict[str, str] = Field(default_factory=dict)
    """The service's value by ratio; by ratio and class (`16:9 1080p`) if `usual` is set."""
    usual: str = ""
    """Default ratio and class, for services that encode both in one value."""

    def encode(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """The fields for the size; empty if the settings have none.

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
    """The mapping of one model.

    Args:
        prompt: field of the prompt; None if the model takes no prompt.
        fields: common setting -> field.
        references: port -> field. A trailing `[]` means a list, `#` numbered fields: `image`, `image_2`, `image_3`.
        size: encoding of the size.
        as_text: fields whose numbers are sent as text.
        in_ms: fields in milliseconds where the common setting is in seconds.
        fixed: fields that are always sent.
        own_fields: fields of the service that `settings={...}` may contain unchanged.
        route: the service's endpoint, if it has several.
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
        """Check that individually valid settings do not contradict each other.

        Raises:
            SettingError: incomplete size, two sizes, or one field set twice.
        """
        pixels = PIXELS & settings.keys()
        if len(pixels) == 1:
            raise errors.SettingError(
                f"{model} needs width and height together.", node_id=node_id, hint="Set both, or aspect_ratio."
            )
        if pixels and settings.get("aspect_ratio") is not None:
            raise errors.SettingError(
                f"{model} got both a size in pixels and aspect_ratio.", node_id=node_id, hint="Set one of them."
            )
        native_names = {self.fields[name] for name in settings if name in self.fields}
        sizes = {"aspect_ratio", "resolution"} if self.size is not None and self.size.usual else {"aspect_ratio"}
        if self.size is not None and (pixels or sizes & settings.keys()):
            native_names.add(self.size.field)
        own = {*(name for name in settings if name in self.own_fields), *settings.get(RAW, {})}
        duplicates = sorted(native_names & own)
        if duplicates:
            raise errors.SettingError(
                f"{', '.join(duplicates)} is set twice, by its common name and by the service's name.",
                node_id=node_id,
                hint="Set it once.",
            )

    def body(
        self, prompt: str | None, settings: Mapping[str, Any], references: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        """Build the request body: prompt, size, settings and references, in the order of the mapping.

        Args:
            prompt: the prompt.
            settings: validated by the model's entry.
            references: the value to send for each asset (a URL, a data URI), by port.

        Raises:
            SettingError: references for a port that the model does not read.
        """
        body: dict[str, Any] = {}
        if self.prompt is not None and prompt is not None:
            body[self.prompt] = prompt
        if self.size is not None:
            body.update(self.size.encode(settings))
        body.update({field: settings[name] for name, field in self.fields.items() if name in settings})
        body.update({name: settings[name] for name in self.own_fields if name in settings})
        for port, media in references.items():
            self._add_references(body, port, media)
        for field in self.in_ms & body.keys():
            body[field] = round(body[field] * 1000)
        for field in self.as_text & body.keys():
            body[field] = f"{body[field]:g}" if isinstance(body[field], float) else str(body[field])
        return {**self.fixed, **body, **settings.get(RAW, {})}

    def _add_references(self, body: dict[str, Any], port: str, media: Sequence[Any]) -> None:
        field = self.references.get(port)
        if not media:
            return
        if field is None:
            takes = ", ".join(self.references) or "none"
            raise errors.SettingError(f"This model does not read {port!r}.", hint=f"It reads: {takes}.")
        if field.endswith("[]"):
            body.setdefault(field[:-2], []).extend(media)
        elif field.endswith("#"):
            used = sum(1 for name in body if name == field[:-1] or name.startswith(f"{field[:-1]}_"))
            for number, medium in enumerate(media, used + 1):
                body[field[:-1] if number == 1 else f"{field[:-1]}_{number}"] = medium
        else:
            body[field] = media[0]
