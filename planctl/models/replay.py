"""Replays: what a second run of a recorded step gave, as an in-toto Statement about its receipt.

A replay is filed like a receipt: one immutable file, a DSSE envelope, named after its payload. Its
subject is the payload of the receipt it is about, so it speaks for exactly that one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from planctl.errors import ReceiptError
from planctl.models.plan.plan import canonical_json
from planctl.models.receipt import STATEMENT_TYPE, ContainedPath, GitId, Sha256, Ulid, UtcTime
from planctl.models.strict_json import strict_json

PREDICATE_TYPE = "planctl:replay/v1"

Outcome = Literal["identical", "within", "differs", "absent", "log"]
"""Of an artifact: same bytes; other bytes that a check of the plan still takes for the same;
other bytes; not made at all; a log, of which only the test outcome is compared."""


class _Model(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, alias_generator=to_camel
    )


class ArtifactReplay(_Model):
    """One recorded artifact beside what the replay made of it.

    Attributes:
        declared: The name the plan gives it.
        agrees: The replay supports what was recorded.
        text: What was seen, in words: the check that covers it, the first value that differs.
        recorded: SHA-256 in the receipt; `replayed` in the replay, or None.
    """

    declared: str
    outcome: Outcome
    agrees: bool
    text: str
    recorded: Sha256
    replayed: Sha256 | None


class ReplayRun(_Model):
    """One run of the command in a clean work tree.

    Attributes:
        problems: What went wrong beside the artifacts: exit code, checks, inputs.
    """

    started: UtcTime
    finished: UtcTime
    exit_code: int
    artifacts: tuple[ArtifactReplay, ...]
    problems: tuple[str, ...] = ()

    @property
    def agreed(self) -> bool:
        """The run supports the receipt in everything."""
        return not self.problems and all(item.agrees for item in self.artifacts)


class Replay(_Model):
    """A second opinion on one receipt.

    Attributes:
        receipt: Repository-relative path of the receipt it is about; `receipt_sha256` its payload.
        commit: What was checked out; `recorded_commit` what the receipt names. They differ when
            the receipt ran on inputs that were committed just afterwards.
        needs: Needed step → how its results came here: `copied` or `replayed`.
        sample: The fraction that was asked for, with the seed that draws the same again.
        score: Share of the artifacts (logs left out) that have the same bytes in the recorded run
            and all replays; None when the step has no other artifacts than its log.
        nondeterministic: The artifacts that have not.
        previous: Payload digests of the replays of this receipt that were the latest before.
        moved: What is different here from where the receipt was recorded: `torch 2.4.0 → 2.5.1`.
        key: Fingerprint of the key that signs, or None.
    """

    ulid: Ulid
    initiative: str
    phase: str
    step: str
    hub: ContainedPath
    receipt: ContainedPath
    receipt_sha256: Sha256
    commit: GitId
    recorded_commit: GitId
    command: str
    needs: dict[str, str]
    sample: Annotated[float, Field(gt=0, le=1)]
    seed: int
    runs: Annotated[tuple[ReplayRun, ...], Field(min_length=1)]
    agreed: bool
    score: float | None
    nondeterministic: tuple[str, ...]
    previous: tuple[Sha256, ...]
    moved: tuple[str, ...]
    role: str
    key: str | None
    planctl_version: str
    environment: dict[str, Any]

    @model_validator(mode="after")
    def _concludes_rightly(self) -> Replay:
        if self.agreed != all(run.agreed for run in self.runs):
            raise ValueError("`agreed` is not what its runs say")
        if (self.score, self.nondeterministic) != determinism(self.runs):
            raise ValueError("`score` is not what its runs say")
        return self


def determinism(runs: tuple[ReplayRun, ...]) -> tuple[float | None, tuple[str, ...]]:
    """Return the share of artifacts with the same bytes in every run, and those without.

    Args:
        runs: Of one receipt; logs are left out, they carry times.
    """
    alike: dict[str, bool] = {}
    for run in runs:
        for item in run.artifacts:
            if item.outcome != "log":
                same = item.replayed == item.recorded
                alike[item.declared] = alike.get(item.declared, True) and same
    if not alike:
        return None, ()
    others = tuple(sorted(name for name, same in alike.items() if not same))
    return round(1 - len(others) / len(alike), 6), others


def statement(replay: Replay) -> dict[str, Any]:
    """Return the in-toto Statement that carries a replay."""
    about = {"name": replay.receipt, "digest": {"sha256": replay.receipt_sha256}}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [about],
        "predicateType": PREDICATE_TYPE,
        "predicate": replay.model_dump(
            mode="json", by_alias=True, exclude={"receipt", "receipt_sha256"}
        ),
    }


def replay_payload(replay: Replay) -> bytes:
    """Serialise a replay's Statement; equal replays give equal bytes."""
    return canonical_json(statement(replay))


def replay_file_name(replay: Replay, digest: str) -> str:
    """Return `<ULID>_<step>_<first 16 hex of the payload digest>.json`."""
    return f"{replay.ulid}_{replay.step}_{digest[:16]}.json"


def parse_replay(payload: bytes, path: str) -> Replay:
    """Read a Statement back into a replay.

    Args:
        payload: From the envelope.
        path: The file's name, for errors.

    Raises:
        ReceiptError: Not a Statement planctl wrote: other fields, or other bytes than it writes
            for these fields.
    """
    try:
        raw = strict_json(payload)
        if raw["_type"] != STATEMENT_TYPE or raw["predicateType"] != PREDICATE_TYPE:
            raise ReceiptError(path, f"is not a replay: predicateType is `{raw['predicateType']}`")
        (about,) = raw["subject"]
        fields = dict(raw["predicate"])
        fields |= {"receipt": about["name"], "receipt_sha256": about["digest"]["sha256"]}
        replay = Replay.model_validate(fields)
        # One spelling only: nothing that another reader takes otherwise.
        alike = replay_payload(replay) == payload
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReceiptError(path, first["msg"], key=key) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReceiptError(path, f"is not a replay: {error}") from error
    if not alike:
        raise ReceiptError(path, "is not spelled as planctl spells a replay")
    return replay
