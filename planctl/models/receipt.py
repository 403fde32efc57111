"""Receipts: what planctl saw of one step's run, as an in-toto Statement in a DSSE envelope.

Formats: DSSE v1 (https://github.com/secure-systems-lab/dsse), in-toto Statement v1
(https://in-toto.io/Statement/v1), SLSA provenance v1 (https://slsa.dev/provenance/v1).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from planctl.errors import ReceiptError
from planctl.models.paths import contained_path
from planctl.models.plan.plan import canonical_json
from planctl.models.strict_json import strict_json

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
# URIs of a scheme of planctl's own: no domain that somebody else could register names our types.
BUILD_TYPE = "planctl:run-step/v1"
# What receipts were called before. Git keeps them, so they are read for ever, and never written.
_EARLIER = ("https://planctl.dev/run-step/v1", "https://planctl.dev/builder/local/v1")


def _utc(when: dt.datetime) -> dt.datetime:
    # Room on both sides: who compares adds minutes.
    if not 1970 <= when.year <= 9998:
        raise ValueError(f"{when.year} is no year of a run")
    return when.astimezone(dt.UTC)


# A receipt may come from anyone: what is used as a path, an id or a time is one, or it is refused.
ContainedPath = Annotated[str, AfterValidator(contained_path)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
GitId = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]
Ulid = Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Fingerprint = Annotated[str, Field(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]
ExecutorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


# Slots: a receipt may hold tens of thousands of these two.
@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An artifact in the hub.

    Attributes:
        name: Hub-relative POSIX path as it was written (with its `_v2`, if any).
        sha256: Hex digest of its content; for a folder of many files `dir_hash` instead.
        declared: The name the plan gives it.
    """

    name: ContainedPath
    sha256: Sha256
    declared: str
    kind: Literal["file", "folder"] = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A tracked file a step declared, as it was when the step ran: mode and git blob id."""

    path: str
    mode: str
    blob: str


class DataFile(_Model):
    """A file outside git that a step read or left: path, SHA-256 and size in bytes."""

    path: str
    sha256: Sha256
    size: int


class CheckResult(_Model):
    """One check as it came out: the check itself, whether it held, what was seen."""

    check: dict[str, Any]
    ok: bool
    seen: str


class Receipt(_Model):
    """One run of one step, everything observed.

    Attributes:
        ulid: Sorts receipts by planctl's clock; identity is the payload digest.
        contract: The step's contract as it stood in the plan (see `Plan.contract`).
        commit: Git commit the run started from; `branch` is information only.
        gate: Full id of the gate commit, or None; `gate_contained`: it was an ancestor then.
        inputs: Every tracked or new file that matched the declared globs, as it was on disk.
        dirty: Of these, the paths that differed from the commit.
        diff_sha256: Digest of `git diff HEAD` over the dirty inputs, or None.
        parents: Step id → payload digest of the receipt this run needed.
        previous: Payload digests of the step's receipts that were the latest when this one ran.
        exit_code: Of the command; 124 when its time ran out.
        role: What the caller said (`PLANCTL_ROLE`).
        key: Fingerprint of the key that signed when it was recorded, as `ssh-keygen -l` prints
            it; None when it was recorded without one.
        policy: What `planctl.toml` asked of the phase then (`recorded`, `signed`, `other-role`).
    """

    ulid: Ulid
    initiative: str
    phase: str
    step: str
    hub: ContainedPath
    command: str
    env: dict[str, str]
    contract: dict[str, Any]
    contract_sha256: Sha256
    commit: GitId
    branch: str | None
    gate: GitId | None
    gate_contained: bool | None
    inputs: tuple[InputFile, ...]
    dirty: tuple[str, ...]
    diff_sha256: str | None
    data: tuple[DataFile, ...]
    outputs: tuple[DataFile, ...]
    parents: dict[str, Sha256]
    previous: tuple[Sha256, ...]
    subjects: tuple[Subject, ...]
    log: ContainedPath
    started: UtcTime
    finished: UtcTime
    exit_code: int
    timed_out: bool
    checks: tuple[CheckResult, ...]
    role: str
    executor: ExecutorName
    planctl_version: str
    key: Fingerprint | None = None
    policy: str = "recorded"
    environment: dict[str, Any] = Field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """The command ended with 0 and every check held when it ran."""
        return self.exit_code == 0 and all(result.ok for result in self.checks)

    def subject_for(self, declared: str) -> Subject | None:
        """Return the artifact the plan calls `declared` (or a file below it), if recorded."""
        for subject in self.subjects:
            if subject.declared == declared:
                return subject
        return None


class StoredReceipt(_Model):
    """A receipt with where it lies and what its bytes are."""

    path: str
    payload_sha256: str
    receipt: Receipt


def statement(receipt: Receipt) -> dict[str, Any]:
    """Return the in-toto Statement that carries a receipt."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_subject(subject) for subject in receipt.subjects],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": _build_definition(receipt),
            "runDetails": _run_details(receipt),
        },
    }


def _subject(subject: Subject) -> dict[str, Any]:
    key = "sha256" if subject.kind == "file" else "dirHash"
    notes = {"declared": subject.declared, "kind": subject.kind}
    return {"name": subject.name, "digest": {key: subject.sha256}, "annotations": notes}


def _build_definition(receipt: Receipt) -> dict[str, Any]:
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "initiative": receipt.initiative,
            "phase": receipt.phase,
            "step": receipt.step,
            "hub": receipt.hub,
            "command": receipt.command,
            "env": receipt.env,
            "contract": receipt.contract,
            "contractSha256": receipt.contract_sha256,
        },
        "internalParameters": {
            "executor": receipt.executor,
            "log": receipt.log,
            "policy": receipt.policy,
        },
        "resolvedDependencies": [_commit(receipt), *_dependencies(receipt)],
    }


def _commit(receipt: Receipt) -> dict[str, Any]:
    notes = {
        "branch": receipt.branch,
        "dirty": list(receipt.dirty),
        "diffSha256": receipt.diff_sha256,
        "gate": receipt.gate,
        "gateContained": receipt.gate_contained,
    }
    return {"name": "git", "digest": {"gitCommit": receipt.commit}, "annotations": notes}


def _dependencies(receipt: Receipt) -> list[dict[str, Any]]:
    files = [
        {"name": item.path, "digest": {"gitBlob": item.blob}, "annotations": {"mode": item.mode}}
        for item in receipt.inputs
    ]
    data = [_data_file(item, "data") for item in receipt.data]
    parents = [
        {"name": step, "digest": {"sha256": digest}, "annotations": {"kind": "receipt"}}
        for step, digest in sorted(receipt.parents.items())
    ]
    return files + data + parents


def _data_file(item: DataFile, kind: str) -> dict[str, Any]:
    notes = {"kind": kind, "size": item.size}
    return {"name": item.path, "digest": {"sha256": item.sha256}, "annotations": notes}


def builder_id(executor: str) -> str:
    """Return the URI of planctl as a builder, with the executor that ran the command."""
    return f"planctl:builder/{executor}/v1"


def _run_details(receipt: Receipt) -> dict[str, Any]:
    return {
        "builder": {
            "id": builder_id(receipt.executor),
            "version": {"planctl": receipt.planctl_version},
        },
        "metadata": {
            "invocationId": receipt.ulid,
            "startedOn": _time(receipt.started),
            "finishedOn": _time(receipt.finished),
        },
        "byproducts": [_data_file(item, "output") for item in receipt.outputs],
        "planctl_run": {
            "role": receipt.role,
            "key": receipt.key,
            "exitCode": receipt.exit_code,
            "timedOut": receipt.timed_out,
            "checks": [result.model_dump(mode="json") for result in receipt.checks],
            "previous": list(receipt.previous),
            "environment": receipt.environment,
        },
    }


def _time(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def payload_bytes(receipt: Receipt) -> bytes:
    """Serialise a receipt's Statement; equal receipts give equal bytes."""
    return canonical_json(statement(receipt))


def payload_digest(payload: bytes) -> str:
    """Return the payload's SHA-256 in hex: a receipt's identity."""
    return hashlib.sha256(payload).hexdigest()


def file_name(receipt: Receipt, digest: str) -> str:
    """Return `<ULID>_<step>_<first 16 hex of the payload digest>.json`."""
    return f"{receipt.ulid}_{receipt.step}_{digest[:16]}.json"


def parse_receipt(payload: bytes, path: str, strict: bool = True) -> Receipt:
    """Read a Statement back into a receipt.

    Args:
        payload: The Statement.
        path: Where it lies, for messages.
        strict: Make sure that the JSON means the same to every reader; False for a payload that
            was read strictly before.

    Raises:
        ReceiptError: Not a Statement planctl wrote.
    """
    try:
        return _from_statement(strict_json(payload) if strict else json.loads(payload))
    except ReceiptError:
        raise
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReceiptError(path, first["msg"], key=key) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReceiptError(path, f"is not a run receipt: {error}") from error


def _from_statement(raw: dict[str, Any]) -> Receipt:
    if raw["_type"] != STATEMENT_TYPE or raw["predicateType"] != PREDICATE_TYPE:
        raise ValueError("not an in-toto Statement v1 with SLSA provenance v1")
    build = raw["predicate"]["buildDefinition"]
    run = raw["predicate"]["runDetails"]
    inner, seen = _named_right(build, run)
    commit, *dependencies = build["resolvedDependencies"]
    params, notes = build["externalParameters"], commit["annotations"]
    kinds = [item["annotations"].get("kind") for item in dependencies]
    pairs = list(zip(dependencies, kinds, strict=True))
    return Receipt.model_validate(
        {
            "ulid": run["metadata"]["invocationId"],
            "initiative": params["initiative"],
            "phase": params["phase"],
            "step": params["step"],
            "hub": params["hub"],
            "command": params["command"],
            "env": params["env"],
            "contract": params["contract"],
            "contract_sha256": params["contractSha256"],
            "commit": commit["digest"]["gitCommit"],
            "branch": notes["branch"],
            "dirty": notes["dirty"],
            "diff_sha256": notes["diffSha256"],
            "gate": notes["gate"],
            "gate_contained": notes["gateContained"],
            "inputs": [_input_file(item) for item, kind in pairs if kind is None],
            "data": [_read_data(item) for item, kind in pairs if kind == "data"],
            "parents": {i["name"]: i["digest"]["sha256"] for i, k in pairs if k == "receipt"},
            "outputs": [_read_data(item) for item in run["byproducts"]],
            "previous": seen["previous"],
            "subjects": [_read_subject(item) for item in raw["subject"]],
            "log": inner["log"],
            "executor": inner["executor"],
            "policy": inner["policy"],
            "started": run["metadata"]["startedOn"],
            "finished": run["metadata"]["finishedOn"],
            "exit_code": seen["exitCode"],
            "timed_out": seen["timedOut"],
            "checks": seen["checks"],
            "role": seen["role"],
            "key": seen["key"],
            "planctl_version": run["builder"]["version"]["planctl"],
            "environment": seen["environment"],
        }
    )


def _named_right(
    build: dict[str, Any], run: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the internal parameters and planctl's own part of a Statement of a known type."""
    kind, builder = build["buildType"], run["builder"]["id"]
    inner, seen = build["internalParameters"], run["planctl_run"]
    if (kind, builder) == _EARLIER:
        # They knew neither policies nor keys.
        return {"policy": "recorded"} | inner, {"key": None} | seen
    if kind != BUILD_TYPE:
        raise ValueError(f"unknown buildType `{kind}`")
    if builder != builder_id(inner["executor"]):
        raise ValueError(f"unknown builder `{builder}`")
    return inner, seen


def _input_file(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": item["name"],
        "mode": item["annotations"]["mode"],
        "blob": item["digest"]["gitBlob"],
    }


def _read_data(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": item["name"],
        "sha256": item["digest"]["sha256"],
        "size": item["annotations"]["size"],
    }


def _read_subject(item: dict[str, Any]) -> dict[str, Any]:
    (digest,) = item["digest"].values()
    notes = item["annotations"]
    return {
        "name": item["name"],
        "sha256": digest,
        "declared": notes["declared"],
        "kind": notes["kind"],
    }
