"""Where this server looks for the person's folder: the same rule as the kernel's, which a test holds together."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

HOME_VARIABLE = "FUSIONFLOW_HOME"
SIMULATOR_VARIABLE = "FUSIONFLOW_SIMULATOR"
SIMULATED = "simulated"


def home_folder() -> Path:
    """FUSIONFLOW_HOME as this process sees it, else the platform's folder for user data; a part of it if simulated."""
    named = os.environ.get(HOME_VARIABLE)
    home = Path(named).expanduser() if named else platformdirs.user_data_path("fusionflow", appauthor=False)
    return home / SIMULATED if os.environ.get(SIMULATOR_VARIABLE) else home
