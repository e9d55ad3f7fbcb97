"""Reads a partner's JSON with pydantic and forgets what it said when it cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from jetbridge.errors import UnexpectedAnswerError

if TYPE_CHECKING:
    from jetbridge.errors import PartnerError

LONGEST_WORDS = 300
E_MAIL = re.compile(r"\S+@\S+")


class Payload(BaseModel):
    """A part of a partner's answer: the fields we use, nothing else, and none of them trusted to be there."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def parsed[Model: BaseModel](
    model: type[Model], value: object, *, partner: str, error: type[PartnerError] = UnexpectedAnswerError
) -> Model:
    """Read a part of an answer.

    Raises:
        PartnerError: `error`, naming the field that cannot be read. Never its value, which may be personal.
    """
    try:
        return model.model_validate(value)
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "answer"
    # Raised out here, so that no traceback can show pydantic's own words: they quote the value.
    message = f"cannot read {path}"
    raise error(message, partner=partner, code="unreadable")


def plain(text: str) -> str:
    """Clip what a partner says about a refusal, on one line and without e-mail addresses."""
    return E_MAIL.sub("…", " ".join(text.split()))[:LONGEST_WORDS]
