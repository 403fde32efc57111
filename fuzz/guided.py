"""Coverage-guided fuzzing of one parser with atheris: `python fuzz/guided.py TARGET [OPTIONS]`.

atheris is not among the dependencies: `pip install atheris` first.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

with atheris.instrument_imports(include=["planctl", "jmespath"]):
    from fuzz.run import seeds
    from fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's options say stop (`-max_total_time=60`, `-runs=100000`)."""
    name = sys.argv.pop(1)
    target = TARGETS[name]
    corpus = Path("outputs/fuzz/corpus", name)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name, target)):
        (corpus / f"seed{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        try:
            target.run(data)
        except target.allowed:
            return

    atheris.Setup([*sys.argv, "-timeout=10", "-rss_limit_mb=4096", str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
