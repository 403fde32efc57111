"""The rules of `planctl lint`, what they find, and who may accept it until when."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from planctl.models.annotation import Annotation, Level, Rule

_PAGE = "docs/reference/lint.md"


def _rule(number: str, name: str, text: str, out: str, level: Level = Level.WARNING) -> Rule:
    help_text = f"{out} ({_PAGE}#{number.lower()})"
    return Rule(number, name, text, help_text, level)


RULES = (
    _rule(
        "PL001",
        "failure swallowed",
        "A part of the command turns a failure into success.",
        "let the failure end the step",
        Level.ERROR,
    ),
    _rule(
        "PL002",
        "exit code overruled",
        "The command ends with `true`, `:` or `exit 0` whatever was before.",
        "leave the last words out",
    ),
    _rule(
        "PL003",
        "errexit switched off",
        "`set +e` or `set +o pipefail` lets the shell go on after a failure.",
        "leave it out, or read `$?` and end with it",
        Level.ERROR,
    ),
    _rule(
        "PL004",
        "inner shell loses failures",
        "`bash -c` starts a shell without `-e` and `pipefail`; failures in it are lost.",
        "write `bash -euo pipefail -c`, or no inner shell",
    ),
    _rule(
        "PL005",
        "command only prints",
        "The command does nothing but print what was typed into it.",
        "let the step run what it stands for",
        Level.ERROR,
    ),
    _rule(
        "PL006",
        "check finds typed text",
        "A text that the command itself holds and prints satisfies a check of its log.",
        "check something the program says, or an artifact",
    ),
    _rule(
        "PL007",
        "undeclared name",
        "The command reads `$NAME`, and neither the plan nor the command sets it.",
        "add it to the plan's `env`, or to `secrets`",
        Level.ERROR,
    ),
    _rule(
        "PL008",
        "machine path",
        "A path that exists on one machine only.",
        "write it relative to the repository, or as `data`",
    ),
    _rule("PL009", "same command twice", "Two steps run the same command.", "keep one of them"),
    _rule(
        "PL010",
        "no checks",
        "The step asks nothing of what the command leaves.",
        "add a check that can fail",
    ),
    _rule(
        "PL011",
        "no inputs",
        "The step declares no inputs: no change ever makes it stale.",
        "declare what its result depends on",
    ),
    _rule(
        "PL012",
        "check cannot fail",
        "The check holds for every result.",
        "ask for something that a wrong result does not have",
        Level.ERROR,
    ),
    _rule(
        "PL013",
        "gate not in HEAD",
        "HEAD does not contain the gate commit: no evidence of now can count.",
        "merge the gate, or correct it",
        Level.ERROR,
    ),
    _rule(
        "PL014",
        "waiver without end",
        "A waiver of a step has ended, ends within two weeks, or runs for more than a year.",
        "prove the step, or let somebody decide anew",
    ),
    _rule(
        "PL015",
        "secret in the plan",
        "What looks like a secret stands in `env` or in a command, and so in logs and receipts.",
        "take it out, make it invalid, and declare its name under `secrets`",
        Level.ERROR,
    ),
    _rule(
        "PL016",
        "command not read",
        "The command is no bash that the grammar reads, or too large: rules were not asked.",
        "put long scripts into a file among the inputs, and correct what bash refuses",
        Level.NOTE,
    ),
    _rule(
        "PL017",
        "loads what is no input",
        "The command names or loads a file of the repository that its inputs leave out.",
        "add it to `inputs`: else a change of it makes nothing stale",
    ),
    _rule(
        "PL020",
        "no test ran",
        "The log ends without a single test that ran: none collected, or all put aside.",
        "correct the selector, or remove the skips",
        Level.ERROR,
    ),
    _rule(
        "PL021",
        "log is not what its name says",
        "The name of a log says one thing, its content another.",
        "give the log the name of what runs, or run what the name says",
    ),
    _rule(
        "PL022",
        "identical artifacts",
        "Artifacts of different names have the same content, and no `same` check asks for that.",
        "find out whether one of them is a copy; a `same` check says that it may be",
    ),
    _rule(
        "PL023",
        "runs differ",
        "Runs of the same command on the same inputs gave numbers further apart than tolerated.",
        "fix the seed, or state the tolerance in a check",
    ),
    _rule(
        "PL024",
        "rows moved",
        "A checklist row has left the step that proved it since the last receipt.",
        "run the step that has it now, and say why in the commit",
    ),
    _rule(
        "PL025",
        "guard weakened with the code",
        "Between two runs both the code and the tests or checks that guard it changed, and the "
        "guards became weaker.",
        "change them apart, and say why the weaker guard is right",
    ),
    _rule(
        "PL090",
        "lint waiver ended",
        "A waiver in `planctl.toml` is past its day; the finding counts again.",
        "mend the finding, or let somebody decide anew",
    ),
    _rule(
        "PL091",
        "lint waiver unused",
        "A waiver in `planctl.toml` waives nothing.",
        "remove it",
        Level.NOTE,
    ),
)
BY_ID = {rule.id: rule for rule in RULES}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        rule: Id of its rule.
        message: What is the case, with the values that matter.
        path: Repository-relative path; `line` in it, or None.
        key: Key in `plan.yaml` or `planctl.toml`, or empty.
        step: Step it is about, or empty.
        waived: Who accepts it, why and until when; empty when it counts.
    """

    rule: str
    message: str
    path: str
    line: int | None = None
    key: str = ""
    initiative: str = ""
    phase: str = ""
    step: str = ""
    level: Level = Level.WARNING
    waived: str = ""

    @property
    def counts(self) -> bool:
        """Lint ends with 1 because of it."""
        return not self.waived and self.level is not Level.NOTE

    @property
    def subject(self) -> str:
        """What it is about: `X-001 A/train`, `X-001`, or empty."""
        return f"{self.initiative} {self.phase}/{self.step}" if self.step else self.initiative

    def annotation(self) -> Annotation:
        """Return the finding as CI services show it."""
        message = f"`{self.key}`: {self.message}" if self.key else self.message
        help_text = BY_ID[self.rule].help
        subject = f"{self.subject} {self.key}".strip()
        return Annotation(self.path, self.line, self.level, self.rule, message, help_text, subject)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for `--json`."""
        rule = BY_ID[self.rule]
        return asdict(self) | {"name": rule.name, "help": rule.help, "level": str(self.level)}


def _known_rule(text: str) -> str:
    if text not in BY_ID or text in ("PL090", "PL091"):
        raise ValueError(f"`{text}` is no rule that can be waived; they are PL001 to PL025")
    return text


class LintWaiver(BaseModel):
    """A person's acceptance of a finding: which, who, why, until when.

    Attributes:
        rule: Id of the rule.
        where: `INITIATIVE/STEP`, `INITIATIVE`, or a path; `*` and `?` as in a shell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: Annotated[str, AfterValidator(_known_rule)]
    where: str = Field(min_length=1)
    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    until: dt.date

    def covers(self, finding: Finding) -> bool:
        """Tell whether it is about a finding."""
        if self.rule != finding.rule:
            return False
        step = f"{finding.initiative}/{finding.step}" if finding.step else finding.initiative
        return any(fnmatchcase(name, self.where) for name in (step, finding.path) if name)

    def spelled(self) -> str:
        """Return it in words."""
        return f"{self.who}: {self.why} (until {self.until})"


class LintSettings(BaseModel):
    """`[lint]` of `planctl.toml`.

    Attributes:
        tolerance: Share by which key numbers of runs of the same code may differ.
        waive: Accepted findings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.05
    waive: tuple[LintWaiver, ...] = ()
