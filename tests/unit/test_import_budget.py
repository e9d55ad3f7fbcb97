"""What a cold start may load: every package costs, and the intake is the one function somebody waits for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jetbridge.config import VARIABLES

ROOT = Path(__file__).parents[2]


def loaded_by(function: str) -> set[str]:
    """Import a function as Lambda does, in a process where no test has loaded anything yet; name its packages."""
    environment = {
        **{name: f"https://sqs.us-east-1.amazonaws.com/123456789012/{name}.fifo" for name in VARIABLES[function]},
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in (f"functions/{function}", "layers/core")),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "POWERTOOLS_SERVICE_NAME": function,
    }
    program = "import app, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_intake_loads_the_sdk_and_nothing_heavier() -> None:
    loaded = loaded_by("receive_webhook")

    assert {"app", "botocore", "jetbridge"} <= loaded
    assert not {"aws_lambda_powertools", "aws_xray_sdk", "boto3", "pydantic", "requests"} & loaded


@pytest.mark.parametrize("function", sorted(VARIABLES.keys() - {"receive_webhook"}))
def test_no_worker_loads_the_tracer(function: str) -> None:
    """The X-Ray SDK is in maintenance, and Powertools' Tracer would bring it."""
    loaded = loaded_by(function)

    assert {"app", "aws_lambda_powertools", "jetbridge"} <= loaded
    assert "aws_xray_sdk" not in loaded
