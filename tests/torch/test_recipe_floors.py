from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "bench_recipe.py"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_object_never_seen_in_training_reaches_its_floors(tmp_path):
    rows = tmp_path / "rows.json"
    subprocess.run(
        [sys.executable, str(BENCH), "--only", "new", "--json", str(rows)], check=True, timeout=800
    )
    found = {row["method"]: row for row in json.loads(rows.read_text())}
    flat, network = found["flat object"]["scores"], found["network"]["scores"]
    assert network["mae_amplitude"] < 0.25 * flat["mae_amplitude"]
    assert network["mae_phase_rad"] < 0.25 * flat["mae_phase_rad"]
    assert [row["verdict"] for row in found.values() if row["floor"]] == ["PASS", "PASS"]
