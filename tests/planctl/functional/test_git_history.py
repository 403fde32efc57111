"""The walk over a history against git's own answers, on random graphs; blobs of any size."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from bench.fast_import import Content, History
from planctl._git import Repository
from planctl._git_history import BlobReader, shallow_commits, walk
from planctl.errors import GitError
from planctl.ops.audit.trees import TreeWalk


def random_history(root: Path, seed: int, commits: int) -> tuple[History, dict[int, str]]:
    """Write a history in which branches part, meet (also three at once), and files come and go."""
    draw, history = random.Random(seed), History(root)
    names = [f"{folder}/{name}.log" for folder in "abc" for name in "xyz"] + ["odd \t name"]
    history.commit({"start": "x\n"}, 1_770_000_000)
    tips = [1]
    for number in range(2, commits):
        count = draw.choice((1, 1, 1, 2, 3)) if len(tips) > 2 else 1
        parents = draw.sample(tips, min(count, len(tips)))
        files: dict[str, Content] = {
            name: draw.choice((None, f"{draw.random()}\n", "same\n"))
            for name in draw.sample(names, draw.randint(0, 3))
        }
        made = history.commit(files, 1_770_000_000 + number * 60, parents=parents)
        tips = [tip for tip in tips if tip not in parents or draw.random() < 0.4] + [made]
    last = history.commit({"end": "x\n"}, 1_780_000_000, parents=tips[-8:])
    assert last == commits
    return history, history.close()


def tree_of(root: Path, commit: str) -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", commit], cwd=root, capture_output=True, check=True
    ).stdout.decode()
    rows = (record.split("\t", 1) for record in listed.split("\0") if record)
    return {path: meta.split(" ")[2] for meta, path in rows}


@pytest.mark.parametrize("seed", range(6))
def test_the_tree_of_every_commit_is_git_s_own(tmp_path: Path, seed: int) -> None:
    history, _ = random_history(tmp_path / "made", seed, 40)
    repo = Repository(history.root)
    assert repo.head is not None
    seen: set[str] = set()
    for step in TreeWalk(repo, (repo.head,), frozenset()):
        assert set(step.commit.parents) <= seen
        seen.add(step.commit.id)
        tree = tree_of(history.root, step.commit.id)
        assert step.tree == tree
        assert len(step.index) == len(tree)
        assert all(step.index.is_file(path) for path in tree)
        for parent, other in zip(step.commit.parents[1:], step.others, strict=True):
            assert other == tree_of(history.root, parent)
    listed = subprocess.check_output(["git", "rev-list", "HEAD"], cwd=history.root, text=True)
    assert seen == set(listed.split())


@pytest.mark.parametrize("seed", range(3))
def test_a_range_starts_from_the_files_before_it(tmp_path: Path, seed: int) -> None:
    history, ids = random_history(tmp_path / "made", seed, 30)
    repo = Repository(history.root)
    assert repo.head is not None
    for step in TreeWalk(repo, (repo.head, f"^{ids[10]}"), frozenset()):
        assert step.tree == tree_of(history.root, step.commit.id)


def test_changes_name_both_blobs_and_links_are_told(tmp_path: Path) -> None:
    history = History(tmp_path / "made")
    history.commit({"a": "1\n", "b": "1\n"}, 1_770_000_000)
    history.commit({"a": "2\n", "b": None}, 1_770_000_060)
    history.close()
    (history.root / "link").symlink_to("a")
    for words in (
        ["add", "link"],
        ["-c", "user.name=x", "-c", "user.email=x", "commit", "-qm", "l"],
    ):
        subprocess.run(["git", *words], cwd=history.root, check=True)
    repo = Repository(history.root)
    assert repo.head is not None
    first, second, third = walk(repo, repo.head)
    assert [(c.path, c.old is None, c.new is None) for c in first.changes] == [
        ("a", True, False),
        ("b", True, False),
    ]
    assert {c.path: c.new is None for c in second.changes} == {"a": False, "b": True}
    assert [(c.path, c.link) for c in third.changes] == [("link", True)]
    assert second.committed.timestamp() == 1_770_000_060


def test_a_failing_git_is_an_error_not_an_empty_history(tmp_path: Path) -> None:
    history = History(tmp_path / "made")
    history.commit({"a": "1\n"}, 1_770_000_000)
    history.close()
    with pytest.raises(GitError, match="failed"):
        list(walk(Repository(history.root), "0" * 40))


def test_a_blob_is_read_only_up_to_a_size(tmp_path: Path) -> None:
    history = History(tmp_path / "made")
    history.commit({"a": b"\0\n\n" * 5, "empty": ""}, 1_770_000_000)
    ids = history.close()
    repo = Repository(history.root)
    tree = tree_of(history.root, ids[1])
    with BlobReader(repo) as blobs:
        blobs.ask_sizes(tree.values())
        assert blobs.size(tree["a"]) == 15
        assert blobs.read(tree["a"], 14) is None
        assert blobs.read(tree["a"], 15) == b"\0\n\n" * 5
        assert blobs.read(tree["empty"], 15) == b""
        assert blobs.size(ids[1]) is None
        assert blobs.read("1" * 40, 100) is None


def test_the_edge_of_a_shallow_clone_is_known(tmp_path: Path) -> None:
    history, _ = random_history(tmp_path / "made", 1, 20)
    clone = tmp_path / "clone"
    url = history.root.as_uri()
    subprocess.run(["git", "clone", "-q", "--depth", "1", url, clone], check=True)
    repo = Repository(clone)
    assert shallow_commits(repo) == {repo.head}
    assert shallow_commits(Repository(history.root)) == frozenset()
