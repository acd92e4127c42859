"""Where journal, assets, keys and a person's own models live."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "FUSIONFLOW_HOME"
SIMULATOR_VARIABLE = "FUSIONFLOW_SIMULATOR"
"""`http://127.0.0.1:8123`: every service is looked for there, under its name, and no real key is sent or needed."""
SIMULATED = "simulated"


def home_folder() -> Path:
    """FUSIONFLOW_HOME, else the platform's folder for user data.

    While the simulator stands in for the services it is a folder inside: its results must never be taken for a
    service's own, nor its dollars for spent ones.
    """
    named = os.environ.get(HOME_VARIABLE)
    home = Path(named).expanduser() if named else platformdirs.user_data_path("fusionflow", appauthor=False)
    return home / SIMULATED if os.environ.get(SIMULATOR_VARIABLE) else home
