"""What must hold of the repository around every turn: the branch, and that history only grew."""

from __future__ import annotations

from planctl._text import printable
from planctl.errors import GitError
from planctl.workspace import Workspace


def branch_of(workspace: Workspace, wanted: str | None = None) -> str:
    """Return the branch that a loop may run on.

    Args:
        workspace: The repository, freshly opened.
        wanted: The branch it must be; any without one.

    Raises:
        GitError: HEAD is detached, on another branch, or git is in the middle of something.
    """
    under_way = workspace.repo.in_progress()
    if under_way is not None:
        raise GitError(
            f"{under_way} is under way: the loop would commit into the middle of it",
            "finish or abort it, then start the loop again",
        )
    branch = workspace.repo.branch
    if branch is None:
        where = f" `git switch {wanted}`," if wanted else " `git switch BRANCH`,"
        raise GitError(
            "HEAD is detached: commits of the loop would be on no branch",
            f"{where.strip()} then start the loop again",
        )
    if wanted is not None and branch != wanted:
        raise GitError(
            f"HEAD is on `{printable(branch)}`, the loop runs on `{printable(wanted)}`",
            f"`git switch {wanted}` and start it again, or give it `--branch {branch}`",
        )
    return branch


def keep_history(workspace: Workspace, base: str, branch: str) -> None:
    """Make sure that a commit a turn began from is still part of the branch.

    Raises:
        GitError: It is not: the branch was reset or rewritten meanwhile.
    """
    head = workspace.repo.head
    if head is None or not workspace.repo.is_ancestor(base, head):
        raise GitError(
            f"`{printable(branch)}` no longer contains `{base[:12]}`, which the turn began from",
            f"`git reflog {branch}` shows what happened; bring the commit back, or end the turn "
            "with `planctl turn abandon --reason …`",
        )
