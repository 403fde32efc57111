"""Help and every early error answer before torch is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class TestStartUp:
    """In a process of its own, as a user meets it."""

    HEAVY = ("torch", "lightning", "scipy", "matplotlib", "h5py")
    PROBE = (
        "import sys, time\n"
        "from ptycho_torch.{module} import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    code = end.code\n"
        "print([m for m in {heavy!r} if m in sys.modules], code, time.process_time())\n"
    )

    @pytest.mark.parametrize(
        ("module", "arguments", "code"),
        [
            ("train", "--help", 0),
            ("train", "--no-such-flag", 2),
            ("train", "--batch_size x", 2),
            ("train", "--train_data_file nix.npz --learning-rate -3", 2),
            ("train", "--train_data_file nix.npz", 4),
            ("train", "--config nix.yaml", 4),
            ("inference", "--help", 0),
            ("inference", "--no-such-flag", 2),
            ("inference", "--model_path nix", 2),
            ("inference", "--model_path nix --test_data nix.npz", 4),
            ("cli.app", "--help", 0),
            ("cli.app", "no-such-command", 2),
            ("cli.app", "train --train_data_file nix.npz", 4),
            ("cli.app", "refine --help", 0),
        ],
    )
    def test_answers_without_torch(
        self, module: str, arguments: str, code: int, python: Callable[..., Any], tmp_path: Path
    ) -> None:
        probe = self.PROBE.format(module=module, heavy=self.HEAVY)
        result = python("-c", probe, *arguments.split(), cwd=tmp_path)
        loaded, found, seconds = result.stdout.splitlines()[-1].rsplit(" ", 2)
        assert (loaded, int(found)) == ("[]", code), result.stderr
        assert float(seconds) < 0.5
