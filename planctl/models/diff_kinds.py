"""What kind of work a changed path is: the code, its tests, or what only surrounds them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from planctl.models.paths import input_glob, matches


class Kind(StrEnum):
    """What a changed path is."""

    PRODUCTION = "production"
    TEST = "test"
    TOOL = "tool"
    DOCS = "docs"
    EVIDENCE = "evidence"
    STATE = "state"


_Globs = tuple[Annotated[str, AfterValidator(input_glob)], ...]


class TurnsSettings(BaseModel):
    """`[turns]`: globs that say of what kind a path is, before planctl's own rules are asked.

    A leading `!` leaves paths out again. What planctl writes itself stays evidence or state
    whatever is said here: recording a turn must not look like work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    production: _Globs = ()
    test: _Globs = ()
    tool: _Globs = ()
    docs: _Globs = ()
    evidence: _Globs = ()
    state: _Globs = ()


DEFAULT_RULES = TurnsSettings()

_OWN: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (
        Kind.EVIDENCE,
        ("plans/active/*/reports/**", "plans/active/*/turns/**", "plans/active/*/waits/**"),
    ),
    (
        Kind.STATE,
        (
            *("docs/fix_plan.md", "docs/archive/**", "input.md", "planctl.toml", ".gitattributes"),
            *("plans/active/*/plan.yaml", "plans/active/*/implementation.md"),
            *("plans/active/*/summary.md", "plans/plan.schema.json", ".planctl/**"),
        ),
    ),
)

# Read from the top; the first list that fits decides. Paths are compared in lower case.
_DEFAULTS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (Kind.EVIDENCE, ("plans/**/reports/**", "plans/**/turns/**")),
    (
        Kind.STATE,
        (
            *("**/fix_plan.md", "**/input.md", "plans/**/plan.yaml", "plans/**/implementation.md"),
            *("plans/**/*summary*.md",),
        ),
    ),
    (
        Kind.DOCS,
        (
            *("**/readme", "**/readme.*", "**/changelog", "**/changelog.*", "**/license"),
            *("**/license.*", "**/licence*", "**/copying", "**/authors", "**/authors.*"),
            *("**/contributors*", "**/citation.cff", "**/notice", "**/agents.md", "**/claude.md"),
        ),
    ),
    (
        Kind.TEST,
        (
            *("tests/**", "**/tests/**", "test/**", "**/test/**", "**/__tests__/**"),
            *("testing/**", "spec/**", "!data/**", "!dataset*/**", "!**/data/test/**"),
            *("!**/dataset*/test/**", "!docs/**", "!doc/**", "!plans/**"),
            *("**/test_*.py", "**/*_test.py", "**/conftest.py", "**/test_*.sh", "**/*_test.go"),
            *("**/*_test.c", "**/*_test.cc", "**/*_test.cpp", "**/*_test.cu", "**/test_*.c"),
            *("**/test_*.cc", "**/test_*.cpp", "**/test_*.cu", "**/test_*.jl", "**/test-*.r"),
            *("**/test_*.r", "**/test_*.m", "**/*_test.m", "**/test_*.ipynb", "**/*.test.[jt]s"),
            *("**/*.test.[jt]sx", "**/*.spec.[jt]s", "**/*_spec.rb", "**/runtests.jl"),
        ),
    ),
    (
        Kind.TOOL,
        (
            *("plans/**/bin/**", "plans/**/scripts/**", "plans/**/tools/**", "plans/**/*.py"),
            *("plans/**/*.sh", "bin/**", "scripts/**", "script/**", "tools/**", "tool/**"),
            *("hack/**", "ci/**", ".ci/**", ".github/**", ".gitlab/**", ".circleci/**"),
            *(".buildkite/**", ".gitlab-ci.y*ml", ".travis.yml", "azure-pipelines*.y*ml"),
            *("jenkinsfile", ".pre-commit-*.yaml", ".githooks/**", ".husky/**", ".vscode/**"),
            *(".idea/**", ".devcontainer/**", ".claude/**", ".codex/**", ".cursor/**"),
            *("**/makefile", "**/gnumakefile", "**/*.mk", "justfile", "taskfile.y*ml"),
            *("noxfile.py", "tox.ini", "pytest.ini", "mypy.ini", "ruff.toml", ".ruff.toml"),
            *(".flake8", ".pylintrc", ".coveragerc", "codecov.y*ml", ".codecov.y*ml"),
            *("**/dockerfile", "**/dockerfile.*", "**/*.dockerfile", "docker-compose*.y*ml"),
            *("**/.dockerignore", "**/*.def", "**/*.sbatch", "**/*.slurm", "*.sh"),
            *("**/.gitignore", ".editorconfig", ".mailmap", "renovate.json"),
        ),
    ),
    (
        Kind.EVIDENCE,
        (
            *("outputs/**", "output/**", "results/**", "runs/**", "logs/**", "reports/**"),
            *("lightning_logs/**", "mlruns/**", "wandb/**", "multirun/**", "figures/**", "figs/**"),
            *("**/*.log", "**/events.out.tfevents.*", "**/slurm-*.out"),
        ),
    ),
    (
        Kind.DOCS,
        (
            *("docs/**", "doc/**", "**/docs/**", "**/*.md", "**/*.markdown", "**/*.rst"),
            *("**/*.adoc", "**/*.tex", "**/*.bib", "**/*.docx", "paper/**", "manuscript/**"),
            *("examples/**/*.ipynb", "tutorials/**/*.ipynb", "mkdocs.yml", ".readthedocs.y*ml"),
        ),
    ),
    # What else lies among plans is neither code nor test of it.
    (Kind.DOCS, ("plans/**/*.txt", "plans/**/*.yaml", "plans/**/*.yml")),
    (Kind.EVIDENCE, ("plans/**",)),
)


@lru_cache(maxsize=8192)
def kind_of(path: str, rules: TurnsSettings = DEFAULT_RULES) -> Kind:
    """Return of what kind a path is.

    Args:
        path: Repository-relative, with `/`.
        rules: `[turns]` of `planctl.toml`.
    """
    own = _own_kind(path)
    if own is not None:
        return own
    for kind in Kind:
        named: tuple[str, ...] = getattr(rules, kind.value)
        if named and matches(path, named):
            return kind
    lower = path.lower()
    return next((kind for kind, globs in _DEFAULTS if matches(lower, globs)), Kind.PRODUCTION)


def is_own(path: str) -> bool:
    """Tell whether planctl writes a path itself: plans, evidence, ledger, brief, settings."""
    return _own_kind(path) is not None


def _own_kind(path: str) -> Kind | None:
    return next((kind for kind, globs in _OWN if matches(path, globs)), None)


def by_kind(paths: Iterable[str], rules: TurnsSettings = DEFAULT_RULES) -> dict[str, list[str]]:
    """Return paths sorted into kinds, each list sorted; kinds without a path are left out."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(kind_of(path, rules).value, []).append(path)
    return {kind.value: found[kind.value] for kind in Kind if kind.value in found}
