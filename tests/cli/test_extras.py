from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from labkit.cli.extras import EXTRAS

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["lightning"] = None
from labkit.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_command_whose_extra_is_not_installed_says_what_to_install(lab_home):
    for command in (["train"], ["train", "--detach"]):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_TORCH, *command], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(
            r"labkit train: needs the package (torch|lightning), which is not installed: "
            r'pip install "labkit\[train\]"\n',
            done.stderr,
        )


def test_extras_are_those_of_the_project():
    names = {"scikit_learn": "sklearn"}
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for extra, packages in EXTRAS.items():
        listed = project["optional-dependencies"][extra]
        plain = [re.split(r"[<>=]", one)[0].lower().replace("-", "_") for one in listed]
        assert sorted(names.get(one, one) for one in plain) == sorted(packages)
