"""Installing the package switches the server extension on: no second command, nothing to configure."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="builds the wheel")

ROOT = Path(__file__).resolve().parent.parent


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_an_installed_wheel_is_an_enabled_extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh environment, Jupyter lists our extension as enabled and valid, from the installed files alone."""
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "dist", cwd=ROOT)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    # Our wheel is really installed; what it needs is borrowed from the environment of the tests.
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=tmp_path)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))

    where = run(python, "-c", "import fusionflow_nb.lab as lab; print(lab.__file__)", cwd=tmp_path)
    assert where.startswith(str(environment))
    listed = run(python, "-m", "jupyter_server.extension.serverextension", "list", cwd=tmp_path)
    ours = listed[listed.index(str(environment / "etc" / "jupyter")) :]
    assert "fusionflow_nb.lab" in ours
    assert "enabled" in ours[ours.index("fusionflow_nb.lab") :].splitlines()[0]
    assert "Validating fusionflow_nb.lab" in ours
    after = ours[ours.index("Validating fusionflow_nb.lab") :]
    assert "OK" in "".join(after.splitlines()[:3])
