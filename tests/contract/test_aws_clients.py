"""The clients our functions make: real ones, although one of them is made from a model that we cut down."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader

from jetbridge.aws.clients import MODELS, client_maker

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


def cut(model: dict[str, Any], *operations: str) -> dict[str, Any]:
    """Give a service model with these operations, the shapes they need, and no documentation."""
    shapes: dict[str, Any] = {}

    def need(name: str) -> None:
        if name not in shapes:
            shape = shapes[name] = model["shapes"][name]
            for part in (
                *shape.get("members", {}).values(),
                *(shape[key] for key in ("member", "key", "value") if key in shape),
            ):
                need(part["shape"])

    for name in operations:
        operation = model["operations"][name]
        for part in (operation["input"], operation["output"], *operation["errors"]):
            need(part["shape"])
    kept = {
        "operations": {name: model["operations"][name] for name in operations},
        "shapes": dict(sorted(shapes.items())),
    }
    found: dict[str, Any] = _silent({"version": model["version"], "metadata": model["metadata"], **kept})
    return found


def _silent(part: Any) -> Any:  # noqa: ANN401 - any part of a model
    match part:
        case dict():
            return {name: _silent(each) for name, each in part.items() if name != "documentation"}
        case list():
            return [_silent(each) for each in part]
        case _:
            return part


def test_the_cut_model_is_botocores_own() -> None:
    """When this fails after an upgrade: write what `cut` gives into the file, unless botocore moved to a newer API."""
    (file,) = MODELS.glob("ssm/*/service-2.json")
    theirs = Loader()

    assert file.parent.name == theirs.determine_latest_version("ssm", "service-2")
    assert json.loads(file.read_text()) == cut(theirs.load_service_model("ssm", "service-2"), "GetParameter")


def test_a_parameter_is_read_through_it_and_a_missing_one_is_told(ssm: SSMClient) -> None:
    ssm.put_parameter(Name="/jetbridge/test/demo/shopify", Value="found", Type="SecureString")
    ours: SSMClient = client_maker()("ssm")

    assert ours.meta.service_model.operation_names == ["GetParameter"]
    answer = ours.get_parameter(Name="/jetbridge/test/demo/shopify", WithDecryption=True)
    assert answer["Parameter"]["Value"] == "found"
    with pytest.raises(ClientError) as caught:
        ours.get_parameter(Name="/jetbridge/test/demo/nothing", WithDecryption=True)
    assert caught.value.response["Error"]["Code"] == "ParameterNotFound"


@pytest.mark.parametrize("service", ["dynamodb", "sqs"])
def test_every_other_service_keeps_its_whole_model(service: str) -> None:
    made = client_maker()(service)

    assert made.meta.service_model.operation_names == sorted(
        Loader().load_service_model(service, "service-2")["operations"]
    )
