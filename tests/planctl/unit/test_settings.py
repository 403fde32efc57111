"""`planctl.toml`: what may stand there, and errors that name file and key."""

from __future__ import annotations

import pytest

from planctl.errors import BadFileError
from planctl.models.settings import parse_settings
from planctl.models.slurm_settings import SlurmSettings


def test_an_empty_file_means_the_defaults() -> None:
    assert parse_settings("", "planctl.toml").slurm == SlurmSettings()


def test_every_key_of_slurm_is_read() -> None:
    text = """
    schema = "planctl/settings/v1"
    [slurm]
    partition = "gpu"
    account = "beam"
    qos = "short"
    constraint = "a100"
    gres = "gpu:1"
    mem = "16G"
    nodes = 2
    cpus_per_task = 4
    gpus_per_node = 1
    time_min = 90
    setup = ["export A=1"]
    [slurm.sbatch]
    reservation = "night"
    exclusive = true
    nice = 3
    """
    slurm = parse_settings(text, "planctl.toml").slurm
    assert slurm == SlurmSettings(
        partition="gpu",
        account="beam",
        qos="short",
        constraint="a100",
        gres="gpu:1",
        mem="16G",
        nodes=2,
        cpus_per_task=4,
        gpus_per_node=1,
        time_min=90,
        setup=("export A=1",),
        sbatch={"reservation": "night", "exclusive": True, "nice": 3},
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slrum = 1", "`slrum`: unknown key"),
        ("[slurm]\npartitoin = 'x'", "`slurm.partitoin`: unknown key"),
        ("schema = 'planctl/settings/v2'", "`schema`: .*v1.*v2"),
        ("[slurm]\nnodes = '2'", "`slurm.nodes`: .*integer"),
        ("[slurm]\nnodes = 0", "`slurm.nodes`: .*greater"),
        ("[slurm]\npartition = ''", "`slurm.partition`: is empty"),
        ('[slurm]\npartition = "a\\n#SBATCH --hold"', "`slurm.partition`: .*unprintable"),
        ("[slurm]\nsetup = 'module load cuda'", "`slurm.setup`: "),
        ("[slurm.sbatch]\nnice = 1.5", "`slurm.sbatch.nice`: "),
        ("[slurm.sbatch]\nhold = true", "`slurm.sbatch`: `hold` is planctl's own"),
        ("[slurm.sbatch]\njob-name = 'x'", "`slurm.sbatch`: `job-name` is planctl's own"),
        ("[slurm.sbatch]\njob_name = 'x'", "`slurm.sbatch`: `job_name` is no long option"),
        ("[slurm.sbatch]\nmem = '1G'", "`slurm.sbatch`: `mem` belongs to `\\[slurm\\]`"),
        ("[slurm.sbatch]\nexclusive = false", "`slurm.sbatch`: `exclusive` is false"),
        ("[slurm", "is not TOML"),
    ],
)
def test_what_cannot_be_used_is_named_with_file_and_key(text: str, said: str) -> None:
    with pytest.raises(BadFileError, match=f"^planctl.toml: {said}"):
        parse_settings(text, "planctl.toml")
