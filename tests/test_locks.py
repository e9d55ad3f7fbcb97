"""The three hashed lists against pyproject.toml, without asking anybody: `make check` must work offline too."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PIN = re.compile(r"^(?P<name>[\w.-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)

SHIPPED = "layers/core/requirements.txt"
DEVELOPMENT = "tests/requirements.txt"
SAM = "local/requirements.txt"


def pins(file: str) -> dict[str, str]:
    text = (ROOT / file).read_text()
    return {canonicalize_name(found["name"]): found["version"] for found in PIN.finditer(text)}


def wanted(group: list[Any], groups: dict[str, list[Any]]) -> Iterator[Requirement]:
    for entry in group:
        if isinstance(entry, str):
            yield Requirement(entry)
        else:
            yield from wanted(groups[entry["include-group"]], groups)


@pytest.mark.parametrize(("file", "names"), [(SHIPPED, ["shipped"]), (DEVELOPMENT, ["shipped", "dev"]), (SAM, ["sam"])])
def test_a_list_answers_what_pyproject_asks(file: str, names: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"] | {"shipped": project["project"]["dependencies"]}
    locked = pins(file)

    for requirement in (each for name in names for each in wanted(groups[name], groups)):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement} is not in {file}: make lock"
        assert requirement.specifier.contains(version), f"{file} has {version}, not {requirement}: make lock"


def test_what_is_shipped_is_what_is_tested() -> None:
    assert pins(SHIPPED).items() <= pins(DEVELOPMENT).items()


def test_boto3_is_left_to_the_lambda_runtime() -> None:
    assert not {"boto3", "botocore"} & pins(SHIPPED).keys()


@pytest.mark.parametrize("file", [SHIPPED, DEVELOPMENT, SAM])
def test_a_list_is_hashed_and_names_no_place(file: str) -> None:
    text = (ROOT / file).read_text()

    assert "--hash=sha256:" in text
    for entry in re.split(r"\n(?=\w)", text):
        assert "--hash=sha256:" in entry, f"without a hash: {entry.splitlines()[0]}"
    assert not re.findall(r"https?:|file:|--(?:extra-)?index|--find-links|(?<![\w.])/\w+", text)
