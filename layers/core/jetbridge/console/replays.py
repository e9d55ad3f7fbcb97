"""Rules tried on orders of the past, or on pasted ones. Changes nothing."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from jetbridge import bootstrap
from jetbridge.console.answers import not_found
from jetbridge.console.calls import Slug, call_of, routes
from jetbridge.console.drafts import draft_of, version_of
from jetbridge.documents.console import (
    DifferenceAnswer,
    ReplayAnswer,
    ReplayDocument,
    ReplayOrdersDocument,
    ReplaysAnswer,
    TallyAnswer,
)
from jetbridge.use_cases.replay_rules import replay_orders, start_replay, stop_replay

router = routes()
_TAGS = ["replays"]
_PATH = "/console/stores/<store>/replays"

JobId = Annotated[str, Path(pattern=r"^[a-z0-9-]{1,64}$", description="A replay's id.")]


@router.post(_PATH, tags=_TAGS, summary="Replay the orders of the last days")
def start(store: Slug, document: ReplayDocument) -> ReplayAnswer:
    """Begin; the replay goes on by itself and shows its progress. One at a time for a store."""
    call = call_of(router)
    found = call.store(store)
    version_of(found, document.version, call)
    job = start_replay(
        found.slug,
        document.version,
        days=document.days,
        runtime=call.console.runtime,
        **call.changing(),
    )
    return ReplayAnswer.model_validate(job)


@router.get(_PATH, tags=_TAGS, summary="List the replays")
def list_replays(store: Slug) -> ReplaysAnswer:
    """List the replays of the last 30 days, the newest first."""
    call = call_of(router)
    jobs = call.console.runtime.jobs(call.store(store).slug)
    return ReplaysAnswer(replays=[ReplayAnswer.model_validate(job) for job in jobs])


@router.get(f"{_PATH}/<job_id>", tags=_TAGS, summary="Show one replay")
def show(store: Slug, job_id: JobId) -> ReplayAnswer:
    """Show how far it has come and what it has found."""
    call = call_of(router)
    job = call.console.runtime.job(call.store(store).slug, job_id)
    if job is None:
        raise not_found("replay")
    return ReplayAnswer.model_validate(job)


@router.delete(f"{_PATH}/<job_id>", tags=_TAGS, summary="Stop a replay")
def stop(store: Slug, job_id: JobId) -> ReplayAnswer:
    """Stop it within seconds; what it has found so far stays."""
    call = call_of(router)
    slug, runtime = call.store(store).slug, call.console.runtime
    if runtime.job(slug, job_id) is None:
        raise not_found("replay")
    return ReplayAnswer.model_validate(stop_replay(slug, job_id, runtime=runtime, clock=bootstrap.now))


@router.post(f"{_PATH}/orders", tags=_TAGS, summary="Replay pasted orders")
def replay_pasted(store: Slug, document: ReplayOrdersDocument) -> TallyAnswer:
    """Compare a draft, or a version, with the active rules on the orders given; answered at once."""
    call = call_of(router)
    found = call.store(store)
    draft = draft_of(document, found, call)
    tally = replay_orders((each.to_order() for each in document.orders), live=found.rules, draft=draft, store=found)
    examples = [DifferenceAnswer.model_validate(each) for each in tally.examples]
    return TallyAnswer(seen=tally.seen, same=tally.same, groups=tally.groups, examples=examples)
