"""Runs the commands of a page as they stand: its ```sh blocks, in one shell, one after the other.

A fence may say more behind `sh`: `exit=1` when its last command must end so, `no-run` when it
cannot be run here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```sh(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_S = 120


@dataclass(frozen=True)
class Block:
    """One block of commands.

    Attributes:
        line: Where it stands in its page.
        expect: How its last command must end.
    """

    line: int
    code: str
    expect: int


@dataclass(frozen=True)
class Outcome:
    """How a page went.

    Attributes:
        code: 0 when every block ended as it should.
        line: The block that did not.
    """

    code: int
    line: int | None
    output: str


def blocks(page: Path) -> tuple[Block, ...]:
    """Return the blocks of a page that are meant to be run."""
    text = page.read_text("utf-8")
    found = []
    for match in _FENCE.finditer(text):
        words = match["info"].split()
        if "no-run" in words:
            continue
        expect = next((int(word[5:]) for word in words if word.startswith("exit=")), 0)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(line, match["code"], expect))
    return tuple(found)


def run_page(page: Path, folder: Path) -> Outcome:
    """Run a page's blocks in a folder.

    Args:
        page: The guide.
        folder: Where a reader would stand.

    Returns:
        How it went; the first block that goes otherwise than it should ends it.
    """
    env = {name: text for name, text in os.environ.items() if not name.startswith("PLANCTL_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    script = "\n".join(_guarded(block) for block in blocks(page))
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=env,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
    )
    ended = re.findall(r"^@@block (\d+)$", done.stdout, re.MULTILINE)
    line = int(ended[-1]) if ended and done.returncode else None
    return Outcome(done.returncode, line, done.stdout)


def _guarded(block: Block) -> str:
    """Return a block that ends the script when it does not end as it should."""
    if block.expect == 0:
        return f"echo '@@block {block.line}'\nset -euo pipefail\n{block.code}\nset +e"
    return (
        f"echo '@@block {block.line}'\nset +e\n{block.code}\n"
        f"planctl_guide_code=$?\n"
        f'[ "$planctl_guide_code" -eq {block.expect} ] || exit 99'
    )
