"""An installed wheel enables the server extension and contains the built canvas."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="builds the wheel")

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=cwd, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with the built wheel; dependencies come from the tests' environment."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist", cwd=ROOT)
    (wheel,) = (folder / "dist").glob("*.whl")
    environment = folder / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    # Only the wheel is installed; dependencies are imported from the tests' environment.
    options = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=folder)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python


@pytest.fixture(autouse=True)
def own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide this checkout and the user's Jupyter configuration."""
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        monkeypatch.setenv(f"JUPYTER_{name}", str(tmp_path / name))
    monkeypatch.delenv("PYTHONPATH", raising=False)


def test_an_installed_wheel_is_an_enabled_extension(python: Path, tmp_path: Path) -> None:
    """In a new environment Jupyter lists the extension as enabled and valid."""
    environment = python.parent.parent
    where = run(python, "-c", "import fusionflow_nb.lab as lab; print(lab.__file__)", cwd=tmp_path)
    assert where.startswith(str(environment))
    listed = run(python, "-m", "jupyter_server.extension.serverextension", "list", cwd=tmp_path)
    section = listed[listed.index(str(environment / "etc" / "jupyter")) :]
    assert "fusionflow_nb.lab" in section
    assert "enabled" in section[section.index("fusionflow_nb.lab") :].splitlines()[0]
    assert "Validating fusionflow_nb.lab" in section
    after = section[section.index("Validating fusionflow_nb.lab") :]
    assert "OK" in "".join(after.splitlines()[:3])


def test_an_installed_wheel_contains_the_canvas(python: Path, tmp_path: Path) -> None:
    """The wheel contains the built canvas: a module that anywidget can load, its styles, and licences."""
    folder = run(
        python, "-c", "import fusionflow_nb as f, pathlib; print(pathlib.Path(f.__file__).parent)", cwd=tmp_path
    )
    static = Path(folder.strip()) / "canvas" / "static"
    assert static.is_relative_to(python.parent.parent)
    assert {path.name for path in static.iterdir()} == {"canvas.js", "canvas.css", "layering.js", "licenses.txt"}
    assert "@xyflow/react" in (static / "licenses.txt").read_text()
    assert ".ff-root" in (static / "canvas.css").read_text()
    module = (static / "canvas.js").read_text()
    assert "as default" in module or "export default" in module
    # Loaded from a blob, relative and bare imports would fail.
    assert not re.search(r"""(?:^|[;}])import\s*(?:[\w*{][^;]*?from\s*)?["'(]""", module)
