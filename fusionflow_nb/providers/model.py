"""An entry of the model catalogue: tasks, parameters, inputs and price of a model. Data only."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads the hints
import difflib
import warnings
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import Field

from fusionflow_nb import errors
from fusionflow_nb.providers.input_limits import InputLimits
from fusionflow_nb.providers.native_settings import to_common_settings
from fusionflow_nb.providers.price import (
    Entry,
    Estimate,
    PerCall,
    PerCharacter,
    PerImage,
    PerMegapixel,
    PerSecond,
    PerToken,
    PriceRule,
    cost_bounds,
)
from fusionflow_nb.providers.request_mapping import RAW, RequestMapping

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Equivalent",
    "Estimate",
    "InputLimits",
    "ModelEntry",
    "Parameter",
    "PerCall",
    "PerCharacter",
    "PerImage",
    "PerMegapixel",
    "PerSecond",
    "PerToken",
    "PriceRule",
    "Task",
]

STRICT = "strict"
"""`strict=False`: a setting that the model does not have is ignored with a warning instead of raising an error."""
MICRO = 1_000_000

Task: TypeAlias = Literal[
    "text-to-image",
    "edit-image",
    "upscale",
    "text-to-video",
    "image-to-video",
    "video-to-video",
    "text-to-audio",
    "remove-background",
]


class Parameter(Entry):
    """One setting of a model, by its common name."""

    kind: Literal["number", "integer", "text", "choice", "boolean"]
    default: Any = None
    """Value when the setting is omitted."""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] | None = None
    description: str = ""

    def check(self, name: str, value: Any, *, model: str, node_id: str | None = None) -> Any:  # noqa: ANN401 - a setting
        """Validate a value and convert it to the parameter's type.

        Raises:
            SettingError: wrong type, out of range, or not one of the choices.
        """
        if self.kind == "boolean" and isinstance(value, bool):
            return value
        if self.kind == "text" and isinstance(value, str):
            return value
        if self.kind == "choice" and value in (self.choices or ()):
            return value
        if self.kind in {"number", "integer"} and isinstance(value, int | float) and not isinstance(value, bool):
            number = int(value) if self.kind == "integer" and float(value).is_integer() else value
            is_whole = self.kind == "number" or isinstance(number, int)
            low, high = self.minimum, self.maximum
            if is_whole and (low is None or number >= low) and (high is None or number <= high):
                return number if self.kind == "integer" else float(number)
        raise errors.SettingError(
            f"{model} expects {name} to be {self.describe()}, got {value!r}.",
            node_id=node_id,
            hint="Change the setting.",
        )

    def describe(self) -> str:
        """The allowed values as text.

        >>> Parameter(kind="integer", minimum=1, maximum=4).describe()
        'a whole number from 1 to 4'
        >>> Parameter(kind="integer", minimum=0, maximum=2147483647).describe()
        'a whole number from 0 to 2147483647'
        """
        if self.kind == "choice":
            return "one of " + ", ".join(str(choice) for choice in self.choices or ())
        words = {"number": "a number", "integer": "a whole number", "text": "text", "boolean": "true or false"}
        low, high = self.minimum, self.maximum
        between = f" from {low:.15g} to {high:.15g}" if low is not None and high is not None else ""
        return words[self.kind] + between


class Equivalent(Entry):
    """Another entry of the same model at a different service, with the source of that fact."""

    id: str
    source: str = Field(min_length=1)
    source_date: str = ""


class ModelEntry(Entry):
    """One model of one service. Its id is `provider/provider_model_id`; each alias resolves to exactly one entry."""

    provider: str
    provider_model_id: str
    tasks: tuple[Task, ...]
    title: str
    method: Literal["hosted", "procedural", "neural", "classical", "test"] = "hosted"
    """How results are made. Only `hosted` and `neural` models may be called AI."""
    says_how: str = ""
    aliases: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    """Media ports that the model reads (`image`, `mask`, `depth` ...)."""
    outputs: tuple[str, ...] = ()
    """Output ports beyond the task's main one (`depth`, `mask`)."""
    reads: dict[str, InputLimits] = Field(default_factory=dict)
    """Limits of input media by kind (`image`, `mask`, `video`, `audio`), where the service documents any."""
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    price: PriceRule | None = None
    is_free: bool = False
    is_price_uncertain: bool = False
    source: str = ""
    source_date: str = ""
    retires_on: dt.date | None = None
    successor: str | None = None
    equivalents: tuple[Equivalent, ...] = ()
    """Entries of the same model. Any other entry that replaces it counts as a different model."""
    behaviour: int = 1
    """Incremented by hand only when the mapping changes what is sent: part of every content key."""
    typical_s: float | None = None
    timeout_s: float = 1800.0
    wire: RequestMapping | None = None
    """Maps common settings to the service's fields; None for models that run locally."""

    @property
    def id(self) -> str:
        """`provider/provider_model_id`."""
        return f"{self.provider}/{self.provider_model_id}"

    def is_same_as(self, other: str) -> bool:
        """Whether `other` is the id of this model at this or another service."""
        return other == self.id or any(entry.id == other for entry in self.equivalents)

    def reference_ports(self) -> frozenset[str]:
        """The input ports that the service accepts for this model."""
        return frozenset(self.wire.references) if self.wire is not None else frozenset()

    def to_common_settings(self, settings: dict[str, Any], *, node_id: str | None = None) -> dict[str, Any]:
        """Replace the service's field names by our common names where one exists. Raises SettingError."""
        if self.wire is None:
            return settings
        return to_common_settings(settings, self.wire, self.parameters, model=self.id, node_id=node_id)

    def ignored_settings(self, settings: dict[str, Any]) -> list[str]:
        """Names of settings that the model does not have and `strict=False` ignores."""
        if settings.get(STRICT, True):
            return []
        own = {STRICT, *self.parameters, *((RAW, *self.wire.own_fields) if self.wire is not None else ())}
        common = self.to_common_settings(settings)
        return [name for name, value in common.items() if value is not None and name not in own]

    def check_settings(self, settings: dict[str, Any], *, node_id: str | None = None) -> dict[str, Any]:
        """Validate the settings and convert them to the model's types; None means not set.

        Raises:
            SettingError: unknown setting (the message lists the known ones), or an invalid value.
        """
        checked: dict[str, Any] = {}
        settings = self.to_common_settings(settings, node_id=node_id)
        own = self.wire.own_fields if self.wire is not None else ()
        is_strict = settings.get(STRICT, True)
        for name, value in settings.items():
            parameter = self.parameters.get(name)
            if value is None or (name == STRICT and parameter is None):
                continue
            if parameter is not None:
                checked[name] = parameter.check(name, value, model=self.id, node_id=node_id)
            elif name in own or (name == RAW and self.wire is not None and isinstance(value, dict)):
                checked[name] = value
            else:
                lacking = self._unknown_setting(name, node_id)
                if is_strict:
                    raise lacking
                warnings.warn(f"{lacking} It is ignored.", UserWarning, stacklevel=2)
        if self.wire is not None:
            self.wire.check(checked, model=self.id, node_id=node_id)
        return checked

    def _unknown_setting(self, name: str, node_id: str | None) -> errors.SettingError:
        has = ", ".join(sorted(self.parameters)) or "none"
        own = self.wire.own_fields if self.wire is not None else ()
        near = difflib.get_close_matches(name, [*self.parameters, *own], n=1, cutoff=0.6)
        hint = f"Did you mean {near[0]}? " if near else ""
        hint += f"Settings: {has}."
        if self.wire is not None:
            hint += f" Fields of the service: {', '.join(own)}." if own else ""
            hint += " To send any other field, use settings={'fields': {...}}."
        return errors.SettingError(f"{self.id} has no setting {name!r}.", node_id=node_id, hint=hint)

    def estimate(
        self, settings: dict[str, Any], *, prompt: str | None = None, image_pixels: Sequence[int | None] = ()
    ) -> Estimate:
        """Price of one call. Uncertain prices and the price of inputs count only in the high estimate.

        Args:
            settings: by common names.
            prompt: for prices that depend on its length.
            image_pixels: pixels of each input image; None for an image that does not exist yet.

        >>> price = PerImage(usd=0.04)
        >>> entry = ModelEntry(provider="x", provider_model_id="y", tasks=("text-to-image",), title="Y", price=price)
        >>> entry.estimate({"count": 2}).high_micro_usd
        80000
        """
        if self.is_free:
            return Estimate()
        if self.price is None:
            return Estimate(is_unpriced=True)
        length = self.parameters.get("duration_s")
        longest = length.maximum if length is not None else None
        usual = {
            name: parameter.default for name, parameter in self.parameters.items() if parameter.default is not None
        }
        settings = {**usual, **{name: value for name, value in settings.items() if value is not None}}
        low, _ = cost_bounds(self.price, settings, prompt or "", image_pixels)
        # If the service chooses the length, assume the maximum.
        _, high = cost_bounds(self.price, {"duration_s": longest, **settings}, prompt or "", image_pixels)
        return Estimate(
            low_micro_usd=0 if self.is_price_uncertain else round(low * MICRO), high_micro_usd=round(high * MICRO)
        )
