"""Where the functions' AWS clients come from: botocore itself, with SSM's model cut down to the one call most make.

A cold start is mostly the SDK. boto3 above botocore is 8 % of it and gives nothing to clients; reading all 146
operations of SSM to call `GetParameter` is 11 %. The cut model lies in `models`, under the path that botocore searches
first; everything else (endpoints, credentials, retries, errors) is the SDK's own, and so is SSM's model again should
botocore one day bring a newer one.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = Path(__file__).parent / "models"


def client_maker(*, whole: bool = False) -> Callable[[str], Any]:
    """Give the function that makes a client of a service; its clients share what they read of endpoints and models.

    `whole` keeps every call of SSM, for the one function that stores secrets.
    """
    # At DEBUG the SDK would print every item and secret it sends, whoever turned that on.
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    session = botocore.session.get_session()
    if not whole:
        session.set_config_variable("data_path", str(MODELS))
    return session.create_client
