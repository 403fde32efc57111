"""Files that are none: pipes, devices, sockets, links, and files too large to hold."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.planctl.functional.conftest import ID, Project

pytestmark = pytest.mark.timeout(60)
MIB = 1 << 20
ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "endless": lambda place: place.symlink_to("/dev/zero"),
    "link to a pipe": lambda place: (os.mkfifo(f"{place}.p"), place.symlink_to(f"{place}.p")),
    "socket": lambda place: listening(place),
    "folder": lambda place: place.mkdir(),
    "link to nothing": lambda place: place.symlink_to("nowhere"),
    "link to itself": lambda place: place.symlink_to(place.name),
}


def listening(place: Path) -> None:
    """Make a socket; its name may be longer than an address can be, so from its folder."""
    here = os.getcwd()
    os.chdir(place.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(place.name)
    finally:
        os.chdir(here)


@pytest.fixture(params=sorted(ODD))
def odd(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    """Return what puts something odd in a place, whatever was there."""

    def put(place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        ODD[request.param](place)

    return put


@pytest.mark.parametrize("name", ["cli/one.log", "analysis/one.txt"])
def test_an_artifact_that_is_no_file_any_more_is_modified(
    proven: Project, odd: Callable[[Path], object], name: str
) -> None:
    odd(proven.hub / name)
    assert proven.verdicts()["one"] == "modified"
    assert proven.call("verify", ID, "--times")[0] == 1
    assert proven.call("why", f"{proven.hub.relative_to(proven.root)}/{name}")[0] == 1


def test_a_receipt_that_is_no_file_any_more_is_told_from_history(
    proven: Project, odd: Callable[[Path], object]
) -> None:
    (path,) = proven.receipts("one")
    odd(path)
    assert proven.verdicts()["one"] in ("modified", "missing")


def test_odd_files_among_the_evidence_hold_up_nothing(
    proven: Project, odd: Callable[[Path], object]
) -> None:
    for name in (
        "receipts/01ARZ3NDEKTSV4RRFFQ69G5FAV_one_0123456789abcdef.json",
        "red/blocked_2025-11-14T024800Z_one.md",
        "analysis/artifact_inventory.txt",
        "green/odd.log",
        "adopted.json",
        "analysis/odd\nname\x1b[31m.txt",
    ):
        odd(proven.hub / name)
    code, _, err = proven.call("verify", ID, "--json")
    assert code in (0, 1, 4), err
    assert "bug" not in err
    code, _, err = proven.call("status")
    assert code in (0, 1, 4), err
    code, _, err = proven.call("run-phase", ID, "A", "--force", "--step", "solo")
    assert code in (0, 1, 4), err
    assert "bug" not in err


@pytest.mark.parametrize(
    "name",
    ["plans/active/X-001/plan.yaml", "planctl.toml", "plans/active/X-001/implementation.md"],
)
def test_a_file_that_planctl_needs_and_that_is_none_is_named(
    project: Project, odd: Callable[[Path], object], name: str
) -> None:
    odd(project.root / name)
    code, _, err = project.call("run-phase", ID, "A", "--executor", "local")
    assert code in (0, 4), err
    if code == 4:
        assert Path(name).name in err or "no initiative" in err


@pytest.mark.parametrize("name", ["docs/fix_plan.md", "docs/findings.md", ".gitattributes"])
def test_records_that_are_no_files_are_a_clear_error_or_written_anew(
    project: Project, odd: Callable[[Path], object], name: str
) -> None:
    odd(project.root / name)
    code, _, err = project.call("ledger", "attempt", ID, "tried")
    assert code in (0, 4), err
    code, _, err = project.call("block", ID, "--reason", "stuck")
    assert code in (0, 4), err


def test_what_a_step_leaves_is_collected_only_if_it_is_a_file(project: Project) -> None:
    for text, made in (
        ("mkfifo $OUT/odd/pipe", "is no plain file"),
        ("ln -s /dev/zero $OUT/odd/zeros", "is no plain file"),
        ("ln -s nowhere $OUT/odd/gone", "No such file"),
    ):
        project.plan_path.write_text(
            project.plan_path.read_text().split("      - id: solo")[0]
            + "      - id: solo\n        rows: [A3]\n        inputs: [src/solo.txt]\n"
            + f"        run: rm -rf $OUT/odd; mkdir -p $OUT/odd && echo 1 > $OUT/odd/a && {text}\n"
            + "        log: green/solo.log\n"
            + "        collect: [{ from: $OUT/odd, to: analysis/odd }]\n"
        )
        code, out, err = project.call("run-phase", ID, "A", "--step", "solo", "--json")
        assert code == 1, err
        assert made in json.loads(out)["steps"][0]["problems"][0]
        assert not list((project.hub / "analysis").glob(".*"))


def test_a_hub_that_leads_out_of_the_repository_is_refused(proven: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    shutil.copytree(proven.hub, outside)
    shutil.rmtree(proven.hub)
    proven.hub.symlink_to(outside)
    code, _, err = proven.call("verify", ID)
    assert code == 4
    assert "lies behind a symbolic link" in err


def test_a_folder_of_evidence_swapped_for_a_link_proves_nothing(
    proven: Project, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    shutil.move(proven.hub / "analysis", outside)
    (proven.hub / "analysis").symlink_to(outside)
    assert proven.verdicts()["one"] == "modified"


# VmHWM begins anew with a program; what `getrusage` tells begins with the process it was forked of.
MEASURED = (
    "import re, sys; from planctl.cli.app import run; code = run(sys.argv[2:]); "
    "seen = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]; "
    "open(sys.argv[1], 'w').write(seen); "
    "sys.exit(code)"
)


def measured(project: Project, *words: str) -> tuple[int, str, int]:
    """Run planctl as a process; return its exit code, stdout and peak memory in bytes."""
    told, said = project.root / "out/peak", project.root / "out/stderr"
    told.parent.mkdir(exist_ok=True)
    with said.open("wb") as errors:
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(told), *words],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode in (0, 1), said.read_bytes()[-2000:]
    return done.returncode, done.stdout, int(told.read_text()) * 1024


def test_a_log_of_two_gibibytes_costs_no_memory(project: Project) -> None:
    project.run_phase()
    log = project.hub / "cli/one.log"
    with log.open("r+b") as stream:
        stream.truncate(2 << 30)
    code, out, peak = measured(project, "verify", ID, "--json")
    step = next(s for s in json.loads(out)["steps"] if s["step"] == "one")
    assert (code, step["verdict"]) == (1, "modified")
    assert peak < 200 * MIB


@pytest.mark.slow
def test_a_step_may_print_more_than_a_check_reads(project: Project) -> None:
    project.edit("run: echo solo", "run: head -c 70000000 /dev/zero")
    project.edit(
        "inputs: [src/solo.txt]",
        "inputs: [src/solo.txt]\n        checks: [{ log: green/solo.log, matches: y }]",
    )
    code, out, peak = measured(project, "run-phase", ID, "A", "--step", "solo", "--json")
    assert code == 1
    assert "is larger than 64,000,000 bytes" in json.loads(out)["steps"][0]["problems"][0]
    assert peak < 200 * MIB


@pytest.mark.slow
def test_a_log_just_below_what_a_check_reads_is_searched_in_bounded_memory(
    project: Project,
) -> None:
    project.edit("run: echo solo", "run: seq 1000000 8000000; echo found it")
    project.edit(
        "inputs: [src/solo.txt]",
        "inputs: [src/solo.txt]\n        checks: [{ log: green/solo.log, matches: ^found it$ }]",
    )
    code, out, peak = measured(project, "run-phase", ID, "A", "--step", "solo", "--json")
    assert code == 0, out
    assert peak < 200 * MIB
    code, _, peak = measured(project, "verify", ID)
    assert code == 1
    assert peak < 200 * MIB
