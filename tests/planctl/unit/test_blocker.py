from __future__ import annotations

import pytest

from planctl.models.blocker import Blocker, facts, render
from planctl.models.failures.signs import Failure, Signature, signature


def sign(output: str, exit_code: int = 1, **more: object) -> Signature:
    return signature(Failure(exit_code, bool(more.get("timed_out")), output))


@pytest.mark.parametrize(
    ("kind", "output", "code"),
    [
        ("cuda-out-of-memory", "torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB", 1),
        ("out-of-memory", "Traceback\nMemoryError", 1),
        ("out-of-memory", "RuntimeError: DefaultCPUAllocator: can't allocate memory", 1),
        ("killed-by-kernel", "bash: line 1:  4711 Killed    python train.py", 137),
        ("killed-by-kernel", "epoch 3", 137),
        ("import-error", "ModuleNotFoundError: No module named 'torch'", 1),
        ("assertion", "E       AssertionError: flat patches", 1),
        ("assertion", "E       assert 1 == 2\nFAILED tests/a.py::test_b", 1),
        ("non-finite-loss", "epoch 7: loss = nan", 5),
        ("non-finite-loss", "DivergedError: non-finite prediction at step 12", 5),
        ("disk-full", "OSError: [Errno 28] No space left on device: 'x'", 1),
        ("missing-file", "FileNotFoundError: [Errno 2] No such file: 'a.npz'", 1),
        ("missing-file", "cat: a.npz: No such file or directory", 1),
        ("command-not-found", "bash: line 1: pytst: command not found", 127),
        ("cannot-start", "bash: line 1: ./x: Permission denied", 126),
        ("segmentation-fault", "Segmentation fault (core dumped)", 139),
        ("unknown", "something else went wrong", 3),
        ("unknown", "", 3),
    ],
)
def test_failures_are_recognised(kind: str, output: str, code: int) -> None:
    assert sign(output, code).kind == kind


def test_a_finite_loss_is_no_signature_of_a_diverged_run() -> None:
    assert sign("loss: 0.25\nfinal loss information written", 1).kind == "unknown"


def test_the_cause_comes_before_what_follows_from_it() -> None:
    output = "OSError: [Errno 28] No space left on device\nAssertionError: no bundle"
    assert sign(output).kind == "disk-full"


def test_a_time_limit_wins_over_the_output() -> None:
    assert sign("AssertionError", 124, timed_out=True).kind == "timeout"


def test_failed_checks_of_a_run_that_ended_with_0_are_the_signature() -> None:
    failure = Failure(0, False, "AssertionError in the text", ("`a.json`: 0 is not > 1e-09",))
    found = signature(failure)
    assert (found.kind, found.lines) == ("check", ("`a.json`: 0 is not > 1e-09",))


def test_unknown_failures_show_the_last_lines() -> None:
    output = "\n".join(f"line {name}" for name in "abcdefgh") + "\n\n"
    assert sign(output).lines == tuple(f"line {name}" for name in "defgh")


def test_numbers_ids_and_paths_do_not_make_another_signature() -> None:
    one = sign("RuntimeError: CUDA out of memory. Tried 2.50 GiB at 0x7f00 in /tmp/a/b.py")
    two = sign("RuntimeError: CUDA out of memory. Tried 31 GiB at 0x12ab in /home/c/d.py")
    assert one.digest == two.digest
    assert one.digest != sign("ValueError: shape").digest


def test_control_characters_do_not_reach_the_signature() -> None:
    (line,) = sign("\x1b[31mAssertionError\x1b[0m: \x07no").lines
    assert line.isprintable()


def test_a_huge_line_is_cut() -> None:
    assert len(sign("x" * 10_000_000 + " AssertionError").lines[0]) <= 300


def test_a_file_reads_back_signature_count_and_receipt() -> None:
    made = Blocker(
        path="",
        initiative="X-001",
        title="train",
        stamp="2025-11-14T02:48:00Z",
        signature=Signature("assertion", ("E assert ```x```",)),
        reason="`train` ended with exit code 1.",
        command="python -m train",
        commit="a" * 40,
        return_condition="planctl run-phase X-001 A --step train",
        receipt="plans/active/X-001/r.json",
        in_a_row=2,
    )
    text = render(made)
    found = facts(text)
    assert found is not None
    assert found.signature == str(made.signature)
    assert (found.in_a_row, found.receipt) == (2, "plans/active/X-001/r.json")
    assert "````text\nE assert ```x```\n````" in text


def test_a_foreign_file_has_no_facts() -> None:
    assert facts("# Blocked\n\nCUDA is gone.\n") is None
