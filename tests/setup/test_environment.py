"""pyproject, constraints, environment.yml and the Makefile agree with one another."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {name.lower().replace("_", "-"): version for name, version in pairs}


def requirements() -> list[Requirement]:
    texts = [*PROJECT["dependencies"], *(t for extra in EXTRAS.values() for t in extra)]
    return [r for r in map(Requirement, texts) if r.name != "labkit"]


def test_every_requirement_is_pinned_inside_its_range():
    for requirement in requirements():
        pinned = pins()[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(pinned), f"{requirement} is pinned to {pinned}"


def test_torch_is_a_range_with_what_we_test():
    [torch] = [r for r in requirements() if r.name == "torch"]
    assert torch.specifier.contains("2.13.0")
    assert torch.specifier.contains("2.11.0")
    assert pins()["torch"] == "2.13.0"


def test_the_malicious_releases_of_lightning_cannot_come_in():
    assert pins()["lightning"] not in {"2.6.2", "2.6.3"}
    assert pins()["pytorch-lightning"] not in {"2.6.2", "2.6.3"}


def test_environment_yml_wraps_pyproject_under_the_same_constraints():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, pip_section = environment["dependencies"]
    assert pip == "pip"
    minimum = SpecifierSet(python.removeprefix("python"))
    assert minimum.contains("3.11")
    assert not minimum.contains("3.10.9")
    assert PROJECT["requires-python"] == ">=3.11"
    assert pip_section == {"pip": ["-c constraints.txt", "-e .[all]"]}
    assert "all" in EXTRAS


def test_conda_would_hand_pip_what_resolves():
    """conda writes the pip section to a file in this folder and runs `pip install -r` on it."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    lines = environment["dependencies"][-1]["pip"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    requirement_file = ROOT / ".environment-test.txt"
    requirement_file.write_text("\n".join(lines) + "\n")
    try:
        done = subprocess.run(
            [*pip, "--dry-run", "--no-build-isolation", "--no-deps", "-r", str(requirement_file)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        requirement_file.unlink()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [r.name for r in requirements()])
def test_what_is_installed_is_what_is_pinned(name):
    try:
        installed = Version(metadata.version(name))
    except metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    assert installed.public == pins()[name.lower().replace("_", "-")]


def test_make_says_what_it_takes_before_it_installs():
    done = subprocess.run(
        ["make", "--dry-run", "run", "VENV=.venv-that-is-not-there"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    announced, installing = done.stdout.index("GB with CPU torch"), done.stdout.index("pip install")
    assert announced < installing
    assert "labkit run" in done.stdout


def test_an_existing_torch_is_left_alone():
    done = subprocess.run(
        ["make", "--dry-run", "run", "VENV=.venv-that-is-not-there", "EXISTING_TORCH=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--system-site-packages" in done.stdout
    assert "grep -v '^torch=='" in done.stdout
