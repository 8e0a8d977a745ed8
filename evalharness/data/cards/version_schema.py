"""The part of a task card that describes a version of the data: files, fingerprint, and where they are published."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from evalharness.data.templates import fill_template


class StrictModel(BaseModel):
    """The base class of the pydantic models that validate a task card; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _wrap_single_string_in_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _map_field_names_to_themselves(field_names: Any) -> Any:
    return {name: name for name in field_names} if isinstance(field_names, list | tuple) else field_names


StringOrStrings = Annotated[tuple[str, ...], BeforeValidator(_wrap_single_string_in_list)]
"""One string or a list of strings in YAML."""
FieldMap = Annotated[Mapping[str, str], BeforeValidator(_map_field_names_to_themselves)]
"""In YAML a list of fields of the records, or a mapping of the adapter's names to the records' fields.

`a.b` is the field b of the object a.
"""
ProblemCount = Annotated[int, Field(gt=0)]
FINGERPRINT_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


class HubSource(StrictModel):
    """Where a data version is on the Hugging Face hub: in `splits` of a data set, or in `files` of its repository."""

    repo: str
    config: str | None = None
    folder: str | None = None
    """The repository's folder to load from, for configurations that are folders without a name."""
    splits: StringOrStrings = ()
    files: StringOrStrings = ()
    revision: str | None = None
    """The pinned commit or branch; None for main."""

    @model_validator(mode="after")
    def _check_either_splits_or_files(self) -> Self:
        if bool(self.splits) == bool(self.files):
            raise ValueError("the key 'hub' needs exactly one of its keys 'splits' and 'files'; add or remove one")
        return self


class EvalPlusSource(StrictModel):
    """A release of EvalPlus's data, as the evalplus package names and downloads it."""

    name: Literal["HumanEvalPlus", "MbppPlus"]
    version: str
    variant: Literal["full", "mini", "noextreme"] = "full"


class DataVersion(StrictModel):
    """One version of a task's data, as the card describes it: files, fields, fingerprint and source of downloads.

    `problems` and `fingerprint` have one value, or one value per split if each split has its own files.
    """

    name: str
    problems: ProblemCount | Mapping[str, ProblemCount] | None = Field(
        None, description="Number of problems, or one number for each split that has its own files"
    )
    fingerprint: str | Mapping[str, str] | None = Field(
        None, description="sha256: and 64 digits, as a run's manifest shows it under task.data; other data are marked"
    )
    note: str = Field("", description="A warning that accompanies every result on this version")
    file: StringOrStrings = Field(
        (), description="Paths below a data folder; {split} and the names in the task's values are filled in"
    )
    shipped: StringOrStrings = Field(
        (),
        description="Instead of file: data that come with the card. Paths relative to the card's folder, or "
        "PACKAGE:PATH for a resource of a Python package",
    )
    sha256: tuple[str, ...] = Field(
        (), description="The checksum of each file; it decides instead of the fingerprint whether data are official"
    )
    fields: FieldMap = Field(
        min_length=1,
        description="The fields that every record must have: a list, or a mapping of the adapter's names to the "
        "records' fields; a.b is the field b of the object a",
    )
    hub: HubSource | None = Field(None, description="Where --data hub loads from: repo, splits or files, revision")
    evalplus: EvalPlusSource | None = Field(None, description="A release of EvalPlus")
    rules: Mapping[str, Any] = Field({}, description="Rules of this version; they override those of task and card")

    @model_validator(mode="after")
    def _check_either_file_or_shipped(self) -> Self:
        if bool(self.file) == bool(self.shipped):
            raise ValueError("a data version needs exactly one of the keys 'file' and 'shipped'; add or remove one")
        return self

    @model_validator(mode="after")
    def _check_one_checksum_and_hub_name_per_file(self) -> Self:
        files = self.file or self.shipped
        if self.sha256 and len(self.sha256) != len(files):
            raise ValueError(
                f"the key 'sha256' has {len(self.sha256)} checksums for {len(files)} data files; give one per file"
            )
        if self.hub and self.hub.files and len(self.hub.files) != len(self.file):
            raise ValueError(
                f"the key 'hub.files' has {len(self.hub.files)} names for the {len(self.file)} paths in the key "
                "'file'; give one name per path"
            )
        return self

    @field_validator("fingerprint")
    @classmethod
    def _check_fingerprint_form(cls, value: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
        for fingerprint in value.values() if isinstance(value, Mapping) else (value,):
            if fingerprint is not None and not FINGERPRINT_PATTERN.fullmatch(fingerprint):
                raise ValueError(
                    f"the fingerprint {fingerprint!r} is not valid; write 'sha256:DIGITS' with 64 hexadecimal digits"
                )
        return value

    split: str = Field("", exclude=True, repr=False)
    """The split that this version is narrowed to by `for_split`; no key of the card."""

    @property
    def has_files_per_split(self) -> bool:
        """Whether each split of this data version has its own files."""
        return isinstance(self.problems, Mapping)

    def for_split(self, placeholder_values: Mapping[str, str], split: str | None) -> "DataVersion":
        """Returns a copy of the data version with only the files of one split, if each split has its own files.

        `placeholder_values["NAME"]` replaces `{NAME}` in file paths and in the hub data set's configuration.
        """
        placeholder_values = {**placeholder_values, "split": split or ""}
        hub = self.hub and self.hub.model_copy(
            update={"config": fill_template(self.hub.config or "", placeholder_values) or None}
        )
        problems = self.problems[split or ""] if isinstance(self.problems, Mapping) else self.problems
        fingerprint = self.fingerprint[split or ""] if isinstance(self.fingerprint, Mapping) else self.fingerprint
        return self.model_copy(
            update={
                "file": tuple(fill_template(path, placeholder_values) for path in self.file),
                "hub": hub,
                "split": (split or "") if self.has_files_per_split else "",
                "problems": problems,
                "fingerprint": fingerprint,
            }
        )
