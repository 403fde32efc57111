"""Kinds of paths: what a turn changed, in repositories of many layouts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planctl.errors import BadFileError
from planctl.models.diff_kinds import Kind, TurnsSettings, by_kind, kind_of
from planctl.models.settings import parse_settings

PATHS = {
    Kind.PRODUCTION: (
        *("src/pkg/model.py", "pkg/net/test.py", "train.py", "kernels/fft.cu", "R/fit.R"),
        *("src/main.rs", "pyproject.toml", "requirements.txt", "CMakeLists.txt", "environment.yml"),
        *("notebooks/01_fit.ipynb", "config/run.yaml", "data/test/001.npz", "src/latest.m"),
        *("datasets/x/test/a.h5", "src/pkg/scripts/convert.py", "src/pkg/tools/io.py"),
    ),
    Kind.TEST: (
        *("tests/unit/test_a.py", "test/runtests.jl", "pkg/sub/tests/data/in.npz", "conftest.py"),
        *("pkg/fft_test.py", "scripts/test_net.py", "Tests/Test_Fit.cpp", "web/a.test.ts"),
        *("tests/testthat/test-fit.R", "pkg/parse_test.go", "test_everything.py"),
    ),
    Kind.TOOL: (
        *("bin/run", "scripts/submit.sh", "tools/plot.py", "Makefile", "sub/Makefile", "Justfile"),
        *(".github/workflows/ci.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml", "noxfile.py"),
        *("plans/active/X-1/bin/compare.py", "plans/old/bin/x.sh", "Dockerfile", "job.sbatch"),
        *(".ci/run", "jobs/train.slurm", "run_all.sh", ".gitignore", "pytest.ini"),
    ),
    Kind.DOCS: (
        *("README.md", "docs/guide.md", "pkg/README", "tests/README.md", "notes.rst", "LICENSE"),
        *("paper/main.tex", "refs.bib", "docs/img/a.png", "docs/tests/how.md", "docs/conf.py"),
        *("plans/active/X-1/notes.md", "AGENTS.md", "prompts/engineer.md", "examples/a.ipynb"),
        *("docs/findings.md", "CHANGELOG.rst", "CITATION.cff"),
    ),
    Kind.EVIDENCE: (
        *("plans/active/X-1/reports/2025-11-14T000000Z/a/green/t.log", "outputs/run/a.json"),
        *("plans/active/X-1/turns/00001_01ABC.json", "plans/active/X-1/waits/a.json"),
        *("train.log", "lightning_logs/v0/events.out.tfevents.1", "plans/active/X-1/data.json"),
        "plans/active/X-1/reports/2025-11-14T000000Z/a/summary.md",
    ),
    Kind.STATE: (
        *("docs/fix_plan.md", "fix_plan.md", "input.md", "planctl.toml", ".gitattributes"),
        *("plans/active/X-1/plan.yaml", "plans/active/X-1/implementation.md"),
        *("plans/active/X-1/summary.md", "plans/old/X/implementation.md"),
    ),
}


@pytest.mark.parametrize(("kind", "path"), [(k, p) for k, paths in PATHS.items() for p in paths])
def test_a_path_has_its_kind_in_any_layout(kind: Kind, path: str) -> None:
    assert kind_of(path) is kind


def test_globs_of_the_repository_go_before_planctls_own_rules() -> None:
    rules = TurnsSettings(tool=("lab/**",), production=("scripts/**", "!scripts/plot.py"))
    assert kind_of("lab/a.py", rules) is Kind.TOOL
    assert kind_of("scripts/fit.py", rules) is Kind.PRODUCTION
    assert kind_of("scripts/plot.py", rules) is Kind.TOOL
    assert kind_of("src/a.py", rules) is Kind.PRODUCTION


@pytest.mark.parametrize("path", [*PATHS[Kind.EVIDENCE][:1], "input.md", "docs/fix_plan.md"])
def test_what_planctl_writes_never_becomes_work_by_a_setting(path: str) -> None:
    assert kind_of(path, TurnsSettings(production=("**",))) is kind_of(path)


def test_paths_are_sorted_into_kinds_and_none_is_lost() -> None:
    paths = ["src/b.py", "src/a.py", "README.md", "tests/test_a.py"]
    assert by_kind(paths) == {
        "production": ["src/a.py", "src/b.py"],
        "test": ["tests/test_a.py"],
        "docs": ["README.md"],
    }


@settings(deadline=None)
@given(st.lists(st.text("ab/._-*[é \n", min_size=1, max_size=20)))
def test_every_path_there_can_be_has_one_kind(paths: list[str]) -> None:
    found = by_kind(paths)
    assert sorted(path for listed in found.values() for path in listed) == sorted(paths)


def test_globs_are_read_from_the_settings_file_and_wrong_ones_are_refused() -> None:
    text = '[turns]\ntest = ["checks/**"]\n'
    assert parse_settings(text, "planctl.toml").turns.test == ("checks/**",)
    with pytest.raises(BadFileError, match=r"turns\.docs.*climbs out"):
        parse_settings('[turns]\ndocs = ["../x"]\n', "planctl.toml")
    with pytest.raises(BadFileError, match="unknown key"):
        parse_settings('[turns]\nsource = ["src"]\n', "planctl.toml")
