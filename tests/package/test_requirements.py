"""requirements/*.txt pin what pyproject.toml names, for every supported platform, without URLs."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from packaging.markers import Marker

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
FOLDER = ROOT / "requirements"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
COMPILED = ("all.txt", "build.txt", "floors.txt", "no-deps.txt", "test.txt", "tools.txt")
ENVIRONMENTS = [
    {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform, "os_name": os_name}
    | {"platform_machine": machine, "platform_python_implementation": "CPython", "implementation_name": "cpython"}
    for python in ("3.11", "3.12", "3.13")
    for platform, os_name, machine in (
        ("linux", "posix", "x86_64"),
        ("linux", "posix", "aarch64"),
        ("darwin", "posix", "arm64"),
        ("win32", "nt", "AMD64"),
    )
]


def pinned(name: str) -> list[Requirement]:
    """Return the entries of a requirements file."""
    lines = (FOLDER / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    entries = [line.split("--hash", 1)[0].strip() for line in lines if not line.startswith("#")]
    return [Requirement(entry) for entry in entries if entry]


def named_by_extra(*extras: str) -> list[Requirement]:
    """Return the requirements of the project and some extras in pyproject.toml."""
    project = PYPROJECT["project"]
    requirements, pending, expanded = [], [Requirement(entry) for entry in project["dependencies"]], set()
    pending.append(Requirement(f"fusionflow-nb[{','.join(extras)}]"))
    while pending:
        requirement = pending.pop()
        if requirement.name != "fusionflow-nb":
            requirements.append(requirement)
            continue
        for extra in requirement.extras - expanded:
            expanded.add(extra)
            pending.extend(map(Requirement, project["optional-dependencies"][extra]))
    return requirements


def applies(marker: Marker | None, environment: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(environment)


def disagreements(named: list[Requirement], file: str) -> list[str]:
    """Return requirements that a file lacks or pins to a version that pyproject.toml excludes."""
    problems = []
    for environment in ENVIRONMENTS:
        pins = {canonicalize_name(pin.name): pin for pin in pinned(file) if applies(pin.marker, environment)}
        for requirement in named:
            if not applies(requirement.marker, environment):
                continue
            pin = pins.get(canonicalize_name(requirement.name))
            if pin is None or not requirement.specifier.contains(version_of(pin), prereleases=True):
                place = f"{environment['sys_platform']}, Python {environment['python_version']}"
                problems.append(f"{requirement} on {place}: {file} has {pin or 'no pin'}; run `make requirements`")
    return problems


def version_of(pin: Requirement) -> Version:
    [specifier] = pin.specifier
    assert specifier.operator == "==", pin
    return Version(specifier.version)


@pytest.mark.parametrize(("file", "extra"), [("all.txt", "all"), ("test.txt", "test"), ("floors.txt", "test")])
def test_extras_are_pinned_within_their_specifiers(file, extra):
    """A dependency that is added or moved in pyproject.toml needs `make requirements`."""
    assert disagreements(named_by_extra(extra), file) == []


@pytest.mark.parametrize(
    ("file", "group"), [("build.txt", "build"), ("no-deps.txt", "no-deps"), ("tools.txt", "tools")]
)
def test_dependency_groups_are_pinned(file, group):
    """Packages that `make` installs besides the extras are pinned too."""
    assert disagreements([Requirement(entry) for entry in PYPROJECT["dependency-groups"][group]], file) == []


def test_the_build_backend_is_pinned_once():
    """Builds without isolation use the backend that pyproject.toml requires."""
    required = [Requirement(entry) for entry in PYPROJECT["build-system"]["requires"]]
    assert disagreements(required, "build.txt") == []


def test_the_demo_installs_versions_that_were_tested():
    """all.txt is a subset of test.txt."""
    tested = {(pin.name, str(pin.specifier)) for pin in pinned("test.txt")}
    assert [str(pin) for pin in pinned("all.txt") if (pin.name, str(pin.specifier)) not in tested] == []


def test_every_floor_is_the_version_that_make_floors_runs():
    """Every lower bound is tested: the suite runs on exactly these versions."""
    floors = {canonicalize_name(pin.name): version_of(pin) for pin in pinned("floors.txt")}
    untested = []
    for requirement in named_by_extra("test"):
        bounds = [item.version for item in requirement.specifier if item.operator in {">=", "=="}]
        if [Version(bound) for bound in bounds] != [floors[canonicalize_name(requirement.name)]]:
            untested.append(f"{requirement}: floors.txt has {floors[canonicalize_name(requirement.name)]}")
    assert untested == []


@pytest.mark.parametrize("file", COMPILED)
def test_requirements_contain_no_url_and_no_path(file):
    """The configured index of pip is used; hashes identify the files."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if re.search(r"://|--index|--find-links|@ |file:", line)] == []
    assert all("/" not in line for line in text.splitlines() if line.lstrip().startswith("#"))


@pytest.mark.parametrize("file", [name for name in COMPILED if name != "floors.txt"])
def test_installed_files_have_hashes(file):
    """Pip refuses a file whose hash differs."""
    blocks = re.split(r"\n(?=\S)", (FOLDER / file).read_text(encoding="utf-8").strip())
    assert [block.split()[0] for block in blocks if not block.startswith("#") and "--hash=sha256:" not in block] == []


def test_npm_packages_are_pinned_without_urls():
    """package-lock.json contains versions and hashes, for any registry."""
    packages = json.loads((ROOT / "js" / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []
