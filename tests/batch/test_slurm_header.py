"""Headers merged by hand: whose option counts, what is refused, and what stays where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.batch.slurm_header import merge_directives, read_header
from labkit.core.errors import LabError

OURS = {"nodes": "2", "gpus-per-node": "4", "cpus-per-task": "32", "requeue": ""}


def write(folder: Path, *lines: str) -> Path:
    path = folder / "header.sh"
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("#SBATCH -N 2", [("nodes", "2")]),
        ("#SBATCH -N2", [("nodes", "2")]),
        ("#SBATCH --nodes=2", [("nodes", "2")]),
        ("#SBATCH --nodes 2", [("nodes", "2")]),
        ("#SBATCH -N 2 -p gpu --requeue", [("nodes", "2"), ("p", "gpu"), ("requeue", "")]),
        ("#SBATCH --requeue -t 1-0", [("requeue", ""), ("time", "1-0")]),
        ("#SBATCH --nodes=2 # don't take 3", [("nodes", "2")]),
        ("#SBATCH --nodes=2 #-N 3", [("nodes", "2")]),
        ("#SBATCH --job-name=a#b", [("job-name", "a#b")]),
        ("#SBATCH -e='a b' -N 4", [("e", "=a b"), ("nodes", "4")]),
        ("##SBATCH --nodes=3", []),
        (" #SBATCH --nodes=3", []),
        ("#SBATCH", []),
    ],
)
def test_an_option_is_read_as_slurm_reads_it(tmp_path, line, options):
    assert list(read_header(write(tmp_path, line)).options) == options


def test_a_merged_header(tmp_path):
    header = read_header(
        write(
            tmp_path,
            "#!/bin/bash -l",
            "# A100 nodes",
            "#SBATCH -N 4",
            "#SBATCH --gres=gpu:a100:2",
            "#SBATCH --account=me",
            "module load cuda",
            "#SBATCH --no-requeue",
            "source venv/bin/activate",
        )
    )
    assert header.shebang == "#!/bin/bash -l"
    assert merge_directives(header, OURS) == [
        "#SBATCH --cpus-per-task=32",
        "#SBATCH -N 4",
        "#SBATCH --gres=gpu:a100:2",
        "#SBATCH --account=me",
        "#SBATCH --no-requeue",
    ]
    assert header.commands == ("# A100 nodes", "module load cuda", "source venv/bin/activate")


def test_without_options_of_the_user_ours_stand(tmp_path):
    header = read_header(write(tmp_path, "export A=1"))
    assert header.shebang == "#!/bin/bash"
    assert merge_directives(header, OURS) == [
        "#SBATCH --nodes=2",
        "#SBATCH --gpus-per-node=4",
        "#SBATCH --cpus-per-task=32",
        "#SBATCH --requeue",
    ]


def test_of_two_the_later_one_counts_and_windows_line_ends_go(tmp_path):
    path = tmp_path / "header.sh"
    path.write_bytes(b"#!/bin/bash\r\n#SBATCH -N 2\r\n#SBATCH --nodes=3\r\nmodule load a\r\n")
    header = read_header(path)
    assert header.get("nodes") == "3"
    assert header.directives == ("#SBATCH -N 2", "#SBATCH --nodes=3")
    assert header.commands == ("module load a",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#!/bin/tcsh\n", "its first line is #!/bin/tcsh; give #!/bin/bash"),
        ("#!/bin/sh\n", "give #!/bin/bash"),
        ("#SBATCH hetjob\n", "'hetjob' in '#SBATCH hetjob' is no option"),
        ("#SBATCH --comment='a\n", "No closing quotation"),
        ("echo 'a\n", "bash cannot read it by itself"),
        ("cat <<end\na\n", "bash cannot read it by itself"),
        ("if true; then\n", "bash cannot read it by itself"),
    ],
)
def test_a_header_that_cannot_stand_is_refused(tmp_path, text, message):
    path = tmp_path / "header.sh"
    path.write_text(text)
    with pytest.raises(LabError) as error:
        read_header(path)
    assert message in str(error.value)


def test_a_header_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(LabError, match="cannot be read"):
        read_header(tmp_path / "none.sh")
    (tmp_path / "header.sh").write_bytes(b"\xff\xfe")
    with pytest.raises(LabError, match="cannot be read"):
        read_header(tmp_path / "header.sh")
