"""Every built-in adapter with its models for the contract tests. To add an adapter, add an entry."""

from __future__ import annotations

from fusionflow_nb.providers.services.bfl import BlackForestLabs
from fusionflow_nb.providers.services.elevenlabs import ElevenLabs
from fusionflow_nb.providers.services.fal import Fal
from fusionflow_nb.providers.services.google import Google
from fusionflow_nb.providers.services.kling import Kling
from fusionflow_nb.providers.services.luma import Luma
from fusionflow_nb.providers.services.luma_dream_machine import LumaDreamMachine
from fusionflow_nb.providers.services.minimax import MiniMax
from fusionflow_nb.providers.services.openai import OpenAI
from fusionflow_nb.providers.services.replicate import Replicate
from fusionflow_nb.providers.services.runway import Runway
from fusionflow_nb.providers.services.stability import Stability
from fusionflow_nb.testing.contract import Adapter

ADAPTERS = {
    "bfl": Adapter(BlackForestLabs, "flux-2-pro", "flux-2-pro", can_cancel=False),
    "fal": Adapter(
        Fal,
        "fal-ai/flux/dev",
        "fal-ai/flux-pro/kontext",
        video="fal-ai/kling-video/v3/pro/image-to-video",
        upscale="fal-ai/clarity-upscaler",
        audio="fal-ai/elevenlabs/sound-effects/v2",
        no_funds="Failed",
    ),
    "replicate": Adapter(
        Replicate, "black-forest-labs/flux-schnell", "black-forest-labs/flux-kontext-pro", refusal="Failed"
    ),
    "runway": Adapter(
        Runway,
        "gen4_image",
        "gen4_image_turbo",
        video="gen4_turbo",
        upscale="magnific_precision_upscaler_v2",
        no_funds="Failed",
    ),
    "stability": Adapter(
        Stability,
        "stable-image/generate/core",
        "stable-image/generate/sd3 (model=sd3.5-large)",
        upscale="stable-image/upscale/fast",
        is_queue=False,
        has_output_urls=False,
        can_cancel=False,
        reports_progress=False,
    ),
    "luma": Adapter(Luma, "uni-1", "uni-1", video="ray-3.2", can_cancel=False, reports_progress=False),
    "luma-dream-machine": Adapter(LumaDreamMachine, "photon-1", refusal="Failed", reports_progress=False),
    "openai": Adapter(
        OpenAI,
        "gpt-image-2",
        "gpt-image-2",
        audio="gpt-4o-mini-tts",
        is_queue=False,
        has_output_urls=False,
        can_cancel=False,
    ),
    "kling": Adapter(Kling, video="kling-v3", refusal="Failed", can_cancel=False, reports_progress=False),
    "minimax": Adapter(MiniMax, video="MiniMax-H3", can_cancel=False, reports_progress=False),
    "google": Adapter(
        Google,
        "gemini-3.1-flash-image",
        "gemini-3-pro-image",
        video="gemini-omni-1.2-flash",
        audio="lyria-3.5",
        has_output_urls=False,
        no_funds="Failed",
        reports_progress=False,
    ),
    "elevenlabs": Adapter(
        ElevenLabs,
        audio="eleven_flash_v2_5",
        is_queue=False,
        has_output_urls=False,
        can_cancel=False,
        reports_progress=False,
    ),
}
