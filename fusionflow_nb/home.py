"""Where journal, assets, keys and a person's own models live."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "FUSIONFLOW_HOME"


def home_folder() -> Path:
    """FUSIONFLOW_HOME, else the platform's folder for user data."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_data_path("fusionflow", appauthor=False)
