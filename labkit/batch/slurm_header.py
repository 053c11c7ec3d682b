"""The user's part of a job script: their `#SBATCH` lines, `module load`, `export`, `source`.

Slurm reads options from lines that begin with `#SBATCH`, up to the first command (sbatch(1)). Each
is written `--nodes=2`, `--nodes 2`, `-N 2` or `-N2`, several on a line if need be; ` #` begins a
comment. Of two of the same name the later one counts.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from labkit.core.errors import LabError

MARK = "#SBATCH"
LONG_NAMES = {
    "a": "array",
    "c": "cpus-per-task",
    "G": "gpus",
    "J": "job-name",
    "N": "nodes",
    "n": "ntasks",
    "t": "time",
}
ONE_ANSWER = (
    ("gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket", "gres"),
    ("cpus-per-task", "cpus-per-gpu"),
    ("mem", "mem-per-cpu", "mem-per-gpu"),
    ("requeue", "no-requeue"),
)
"""Options that answer the same question: one by the user leaves no place for another by us."""


@dataclass(frozen=True)
class Header:
    shebang: str = "#!/bin/bash"
    directives: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """(long name, value) as Slurm reads them; "" where an option has no value."""

    def get(self, name: str) -> str | None:
        return dict(self.options).get(name)

    def answers(self, name: str) -> bool:
        """Whether the user has settled what this option is about."""
        alike = next((names for names in ONE_ANSWER if name in names), (name,))
        return any(self.get(other) is not None for other in alike)


def read_header(path: Path) -> Header:
    """Raises LabError: unreadable, for another shell, or bash that doesn't stand by itself."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"header {path}: cannot be read ({error})") from error
    lines = text.splitlines()
    shebang = lines.pop(0).rstrip() if text.startswith("#!") else Header.shebang
    if not re.search(r"[/ ]bash( |$)", shebang):
        raise LabError(f"header {path}: its first line is {shebang}; give #!/bin/bash")
    directives = tuple(line.rstrip() for line in lines if line.startswith(MARK))
    commands = tuple(line for line in lines if not line.startswith(MARK))
    _refuse_unclosed(path, "\n".join(commands))
    options = tuple(pair for line in directives for pair in _options(path, line))
    return Header(shebang, directives, commands, options)


def merge_directives(header: Header, ours: dict[str, str]) -> list[str]:
    """Ours, but those that the user settled; then the user's, as they stand."""
    kept = {name: value for name, value in ours.items() if not header.answers(name)}
    lines = [f"{MARK} --{name}{f'={value}' if value else ''}" for name, value in kept.items()]
    return [*lines, *header.directives]


def _options(path: Path, line: str) -> list[tuple[str, str]]:
    words, found = _words(path, line), list[tuple[str, str]]()
    while words:
        word = words.pop(0)
        if word.startswith("--") and len(word) > 2:
            name, is_given, value = word[2:].partition("=")
        elif word.startswith("-") and len(word) > 1:
            name, value = LONG_NAMES.get(word[1], word[1]), word[2:]
            is_given = bool(value)
        else:
            raise LabError(
                f"header {path}: {word!r} in {line!r} is no option; a job here is one job, of "
                "lines such as #SBATCH --partition=gpu"
            )
        if not is_given and words and not words[0].startswith("-"):
            value = words.pop(0)
        found.append((name, value))
    return found


def _words(path: Path, line: str) -> list[str]:
    reader = shlex.shlex(line.removeprefix(MARK), posix=True)
    reader.whitespace_split, reader.commenters = True, ""
    words = []
    try:
        while (word := reader.get_token()) is not None and not word.startswith("#"):
            words.append(word)
    except ValueError as error:
        raise LabError(f"header {path}: {line!r}: {error}") from error
    return words


def _refuse_unclosed(path: Path, commands: str) -> None:
    """An open quote or here-document would swallow what follows the header."""
    bash = shutil.which("bash")
    if bash is None:
        return
    found = subprocess.run(
        [bash, "-n"], input=commands.encode() + b"\n", capture_output=True, check=False
    )
    if found.returncode or found.stderr:
        said = " ".join(found.stderr.decode("utf-8", "replace").split())
        raise LabError(f"header {path}: bash cannot read it by itself ({said})")
