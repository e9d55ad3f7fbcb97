"""Who changed what."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from jetbridge.console.calls import Slug, call_of, routes
from jetbridge.documents.console import ChangeAnswer, ChangesAnswer

router = routes()


@router.get("/console/stores/<store>/changes", tags=["changes"], summary="List who changed what")
def list_changes(store: Slug, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> ChangesAnswer:
    """Give the last changes, the newest first."""
    call = call_of(router)
    found = call.console.settings.changes(call.store(store).slug, limit=limit)
    return ChangesAnswer(changes=[ChangeAnswer.model_validate(each) for each in found])
