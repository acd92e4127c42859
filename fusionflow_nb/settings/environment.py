"""Where journal, assets, keys and a person's own models live."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

HOME_VARIABLE = "FUSIONFLOW_HOME"
SIMULATOR_VARIABLE = "FUSIONFLOW_SIMULATOR"
"""`http://127.0.0.1:8123`: every service is looked for there, under its name, and no real key is sent or needed."""
SIMULATED = "simulated"
RESUME_VARIABLE = "FUSIONFLOW_RESUME"
"""`ask`: a new kernel leaves the work of dead ones alone until `ff.resume()`; otherwise it brings it home by itself."""
UNKNOWN_VARIABLE = "FUSIONFLOW_UNKNOWN"
UNKNOWN_POLICIES = ("ask", "reconcile", "resend")
"""`ask`: nothing is sent again without a person's word. `reconcile`: the service is asked whether it knows the call,
where it can say. `resend`: it is sent again, and what is at stake counts as spent."""


def home_folder() -> Path:
    """FUSIONFLOW_HOME, else the platform's folder for user data.

    While the simulator stands in for the services it is a folder inside: its results must never be taken for a
    service's own, nor its dollars for spent ones.
    """
    named = os.environ.get(HOME_VARIABLE)
    home = Path(named).expanduser() if named else platformdirs.user_data_path("fusionflow", appauthor=False)
    return home / SIMULATED if os.environ.get(SIMULATOR_VARIABLE) else home


def resumes_by_itself() -> bool:
    """Whether a new session takes up the work of dead kernels."""
    return os.environ.get(RESUME_VARIABLE) != "ask"


def unknown_policy() -> str:
    """What is done with a call of unknown outcome when its result is wanted again; by default a person is asked."""
    said = os.environ.get(UNKNOWN_VARIABLE, UNKNOWN_POLICIES[0])
    return said if said in UNKNOWN_POLICIES else UNKNOWN_POLICIES[0]


def notebook_name() -> str | None:
    """The notebook or script that this process runs, as a person knows it; None where nothing says.

    Jupyter's server gives a kernel the notebook's path in `JPY_SESSION_NAME`.
    """
    named = os.environ.get("JPY_SESSION_NAME")
    if named:
        return Path(named).name
    script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in {"", "-c", "-m"} else ""
    return None if script in {"", "ipykernel_launcher.py", "__main__.py"} else script
