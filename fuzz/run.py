"""Fuzz the parsers: `python fuzz/run.py [--seconds N | --inputs N] [--seed N] [TARGET …]`.

Ends with 1 when something was found; the inputs lie in `outputs/fuzz/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.mutation import dumped, mutated_bytes, mutated_json
from fuzz.targets import LIMIT_S, TARGETS, Target, enveloped
from planctl.errors import PlanctlError
from planctl.models.signing.envelope import parse_envelope

ROOT = Path(__file__).resolve().parents[1]
FOUND = ROOT / "outputs/fuzz"
MEMORY = 6 << 30


class TookTooLong(BaseException):
    """An input took longer than `LIMIT_S` of CPU."""


def seeds(name: str, target: Target) -> list[bytes]:
    """Return the inputs to start from; for records the committed ones of this repository."""
    folders = {"receipt": "receipts/*.json", "replay": "replays/*.json", "adoption": "adopted.json"}
    found = list(target.seeds)
    if name in folders:
        reports = sorted((ROOT / "plans/active").glob(f"*/reports/*/*/{folders[name]}"))
        found += [path.read_bytes() for path in reports[:6]]
    if name == "picture":
        found += _pictures()
    if name in ("prose", "records"):
        found += [path.read_bytes() for path in sorted(ROOT.glob("plans/active/*/summary.md"))]
    return found or [enveloped(b"{}") if target.wrapped else b"{}"]


def _pictures() -> list[bytes]:
    import io

    from PIL import Image

    made = []
    for kind in ("PNG", "GIF", "TIFF", "BMP", "JPEG", "WEBP", "PPM"):
        stream = io.BytesIO()
        Image.effect_noise((24, 24), 50).convert("RGB").save(stream, kind)
        made.append(stream.getvalue())
    return made


def inputs(target: Target, given: list[bytes], random_: random.Random) -> Iterator[bytes]:
    """Yield mutations of the seeds, and of mutations, for ever."""
    pool = list(given)
    while True:
        data = random_.choice(pool)
        made = _structured(target, data, random_) if target.wrapped else None
        if target.mutate is not None and random_.random() < 0.5:
            made = target.mutate(data, random_)
        data = made if made is not None else mutated_bytes(data, random_)
        if len(pool) < 500 and random_.random() < 0.05:
            pool.append(data)
        yield data


def _structured(target: Target, data: bytes, random_: random.Random) -> bytes | None:
    if random_.random() < 0.2:
        return None
    try:
        value: Any = json.loads(parse_envelope(data, "x").payload)
    except (PlanctlError, ValueError, RecursionError):
        return None  # a mutation of a mutation: bytes will do
    if not isinstance(value, dict | list):
        return None
    return enveloped(dumped(mutated_json(value, random_)))


@contextmanager
def limit() -> Iterator[None]:
    """Raise in the block after `LIMIT_S` of CPU."""

    def expire(signum: int, frame: FrameType | None) -> None:
        raise TookTooLong

    signal.signal(signal.SIGPROF, expire)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def trial(target: Target, data: bytes) -> str | None:
    """Give an input to a target; return what is wrong, or None."""
    try:
        with limit():
            target.run(data)
    except target.allowed as error:
        str(error).encode("utf-8", "backslashreplace")
    except TookTooLong:
        return f"took longer than {LIMIT_S} s"
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        return traceback.format_exc(limit=-4)
    return None


def fuzz(
    name: str,
    seconds: float,
    seed: int,
    say: Callable[[str], None],
    most: float = math.inf,
) -> int:
    """Fuzz one target for some seconds of CPU, or with `most` inputs if that is less.

    Returns the number of findings of different kinds.
    """
    target, random_ = TARGETS[name], random.Random(f"{name} {seed}")
    began, tried, slowest = time.process_time(), 0, 0.0
    kinds: set[str] = set()
    for data in inputs(target, seeds(name, target), random_):
        start = time.process_time()
        if start - began > seconds or tried >= most:
            break
        wrong = trial(target, data)
        tried += 1
        slowest = max(slowest, time.process_time() - start)
        if wrong is not None and wrong not in kinds:
            kinds.add(wrong)
            place = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
            FOUND.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            say(f"{name}: {place.relative_to(ROOT)}\n{wrong}")
    spent = time.process_time() - began
    speed = f"{tried} inputs in {spent:.0f} s of CPU, slowest {slowest:.2f} s"
    say(f"{name}: {speed}, {len(kinds)} findings")
    return len(kinds)


def main() -> int:
    """Fuzz the targets that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of CPU for each target")
    parser.add_argument("--inputs", type=int, help="for each target, however long that takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], default=[])
    chosen = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seconds, most = (
        (chosen.seconds, math.inf) if chosen.inputs is None else (math.inf, chosen.inputs)
    )
    names = chosen.targets or TARGETS
    found = sum(fuzz(name, seconds, chosen.seed, print, most) for name in names)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
