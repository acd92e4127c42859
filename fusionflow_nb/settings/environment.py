"""Environment variables `FUSIONFLOW_*` and the home folder: journal, assets, keys, the user's models."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import platformdirs

HOME_VARIABLE = "FUSIONFLOW_HOME"
SIMULATOR_VARIABLE = "FUSIONFLOW_SIMULATOR"
"""`http://127.0.0.1:8123`: every service is called there, under its name; no real key is sent or needed."""
SIMULATED = "simulated"
RESUME_VARIABLE = "FUSIONFLOW_RESUME"
"""`ask`: jobs of dead kernels wait for `ff.resume()`; otherwise a new kernel resumes them automatically."""
UNKNOWN_VARIABLE = "FUSIONFLOW_UNKNOWN"
UNKNOWN_POLICIES = ("ask", "reconcile", "resend")
"""What happens to a job of unknown outcome whose result is requested again. `ask`: nothing until the user decides.
`reconcile`: the service is asked for the job, if it can list it. `resend`: it is sent again, and its unconfirmed cost
counts as spent."""


def home_folder() -> Path:
    """FUSIONFLOW_HOME, else the platform's folder for user data.

    With the simulator it is a subfolder, so that simulated results and costs are never mixed with real ones.
    """
    setting = os.environ.get(HOME_VARIABLE)
    home = Path(setting).expanduser() if setting else platformdirs.user_data_path("fusionflow", appauthor=False)
    return home / SIMULATED if os.environ.get(SIMULATOR_VARIABLE) else home


def resumes_automatically() -> bool:
    """Whether a new session resumes the jobs of dead kernels."""
    return os.environ.get(RESUME_VARIABLE) != "ask"


def unknown_policy() -> str:
    """The policy for jobs of unknown outcome; `ask` by default."""
    policy = os.environ.get(UNKNOWN_VARIABLE, UNKNOWN_POLICIES[0])
    return policy if policy in UNKNOWN_POLICIES else UNKNOWN_POLICIES[0]


def notebook_name() -> str | None:
    """The file name of the notebook or script that this process runs; None if it is unknown.

    The Jupyter server sets `JPY_SESSION_NAME` of a kernel to the notebook's path.
    """
    session_name = os.environ.get("JPY_SESSION_NAME")
    if session_name:
        return Path(session_name).name
    script = Path(sys.argv[0]).name if sys.argv and sys.argv[0] not in {"", "-c", "-m"} else ""
    return None if script in {"", "ipykernel_launcher.py", "__main__.py"} else script
