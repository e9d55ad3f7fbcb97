"""Rules: the language, drafts, versions, which one decides and which runs beside it; and why an order goes its way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from jetbridge import bootstrap
from jetbridge.console.answers import RefusedError, not_found
from jetbridge.console.calls import Slug, Version, call_of, routes
from jetbridge.console.drafts import draft_of, version_of
from jetbridge.documents.console import (
    ActivatedAnswer,
    ActivateDocument,
    DifferenceAnswer,
    DifferencesAnswer,
    DoneAnswer,
    ExplainDocument,
    ExplanationAnswer,
    FieldAnswer,
    Problem,
    RemarkAnswer,
    ReviewAnswer,
    RollBackDocument,
    RuleLanguageAnswer,
    RulesAnswer,
    RulesDocument,
    RuleVersionAnswer,
    RuleVersionsAnswer,
    SavedRulesAnswer,
    ShadowDocument,
    TemplateAnswer,
)
from jetbridge.documents.rules import RULES_SCHEMA, RuleSetDocument
from jetbridge.domain.connection import Severity
from jetbridge.domain.identifiers import OrderId
from jetbridge.domain.rule_fields import FIELDS, OPERATORS
from jetbridge.domain.rule_templates import TEMPLATES
from jetbridge.errors import InvalidRequestError
from jetbridge.use_cases.change_rules import (
    activate_rules,
    review_rules,
    roll_back_rules,
    save_rules,
    shadow_rules,
)
from jetbridge.use_cases.explain_order import explain_order

if TYPE_CHECKING:
    from jetbridge.domain.rule_review import Remark

router = routes()
_TAGS = ["rules"]
_PATH = "/console/stores/<store>/rules"


@router.get("/console/rule-language", tags=_TAGS, summary="Describe the language of the rules")
def describe_language() -> RuleLanguageAnswer:
    """Give the JSON Schema of rules, every field with its operators, and rules to start from."""
    return RuleLanguageAnswer(
        rule_schema=RULES_SCHEMA,
        fields=[FieldAnswer.model_validate(each) for each in FIELDS.values()],
        operators={kind: [*operators] for kind, operators in OPERATORS.items()},
        templates=[
            TemplateAnswer(
                name=each.name,
                sentence=each.sentence,
                parameters=dict(each.parameters),
                rules=RuleSetDocument.from_rules(each.rules()).as_json()["rules"],
            )
            for each in TEMPLATES.values()
        ],
    )


@router.get(_PATH, tags=_TAGS, summary="List the versions")
def list_versions(store: Slug) -> RuleVersionsAnswer:
    """List every version that is kept, the newest first."""
    call = call_of(router)
    found = call.console.settings.rule_versions(call.store(store).slug)
    return RuleVersionsAnswer(versions=[RuleVersionAnswer.model_validate(each) for each in found])


@router.post(f"{_PATH}/validate", tags=_TAGS, summary="Look a draft through")
def validate(store: Slug, document: RulesDocument) -> ReviewAnswer:
    """Say what is wrong with a draft, with the path to each place. Changes nothing."""
    call = call_of(router)
    found = review_rules(
        call.store(store).slug,
        document.to_rules(),
        settings=call.console.settings,
        clock=bootstrap.now,
        **call.administering(),
    )
    return ReviewAnswer(can_be_saved=found.can_be_saved, remarks=_remarks(found.remarks))


@router.post(_PATH, tags=_TAGS, summary="Save a draft as the next version")
def save(store: Slug, document: RulesDocument) -> SavedRulesAnswer:
    """Save it unless there is an error in it (422). It decides nothing before it is activated."""
    call = call_of(router)
    saved = save_rules(
        call.store(store).slug,
        document.to_rules(),
        note=document.note,
        by=call.by,
        settings=call.console.settings,
        clock=bootstrap.now,
        **call.administering(),
    )
    if saved.version is None:
        errors = [each for each in saved.remarks if each.severity is Severity.ERROR]
        problems = [Problem(path=each.path, text=each.text) for each in errors]
        raise RefusedError(
            422, "rules_refused", "The rules were not saved: there are errors in them.", problems=problems
        )
    return SavedRulesAnswer(version=saved.version, remarks=_remarks(saved.remarks))


@router.post(f"{_PATH}/<version>/activate", tags=_TAGS, summary="Let a version decide")
def activate(store: Slug, version: Version, document: ActivateDocument) -> ActivatedAnswer:
    """Let it decide, half a minute from now at the latest, unless another one than `instead_of` does by now (409)."""
    call = call_of(router)
    found = call.store(store)
    version_of(found, version, call)
    activated = activate_rules(
        found.slug, version, instead_of=document.instead_of, **call.changing(), **call.administering()
    )
    return ActivatedAnswer.model_validate(activated)


@router.post(f"{_PATH}/roll-back", tags=_TAGS, summary="Let the version decide that did before")
def roll_back(store: Slug, document: RollBackDocument | None = None) -> ActivatedAnswer:
    """Go back to the version that was active before this one; again and again goes further back."""
    call = call_of(router)
    found, asked = call.store(store), document or RollBackDocument()
    if asked.version:
        version_of(found, asked.version, call)
    rolled = roll_back_rules(
        found.slug,
        asked.version,
        instead_of=asked.instead_of or found.rules.version,
        **call.changing(),
        **call.administering(),
    )
    return ActivatedAnswer.model_validate(rolled)


@router.get(f"{_PATH}/shadow", tags=_TAGS, summary="List what the shadow would have decided otherwise")
def differences(store: Slug, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> DifferencesAnswer:
    """List the orders of the last 30 days about which it differs, the latest first."""
    call = call_of(router)
    found = call.store(store)
    version = found.shadow.version if found.shadow else None
    listed = call.console.runtime.differences(found.slug, version, limit=limit) if version else ()
    return DifferencesAnswer(version=version, differences=[DifferenceAnswer.model_validate(each) for each in listed])


@router.put(f"{_PATH}/shadow", tags=_TAGS, summary="Let a version run beside the active one")
def put_shadow(store: Slug, document: ShadowDocument) -> DoneAnswer:
    """Ask it about every order, too; it decides nothing, and what it would have done otherwise is listed."""
    call = call_of(router)
    found = call.store(store)
    version_of(found, document.version, call)
    shadow_rules(found.slug, document.version, by=call.by, settings=call.console.settings, clock=bootstrap.now)
    return DoneAnswer()


@router.delete(f"{_PATH}/shadow", tags=_TAGS, summary="Let no version run beside the active one")
def end_shadow(store: Slug) -> DoneAnswer:
    """End it; what it found stays for 30 days."""
    call = call_of(router)
    shadow_rules(call.store(store).slug, None, by=call.by, settings=call.console.settings, clock=bootstrap.now)
    return DoneAnswer()


# Behind `shadow`, which would be a version otherwise: the first route that fits answers.
@router.get(f"{_PATH}/<version>", tags=_TAGS, summary="Show one version")
def show_version(store: Slug, version: Version) -> RulesAnswer:
    """Give a version's rules as they can be changed and saved again."""
    call = call_of(router)
    found = call.store(store)
    rules = version_of(found, version, call)
    said = RuleSetDocument.from_rules(rules.rules).as_json()["rules"]
    return RulesAnswer(version=version, active=version == found.rules.version, rules=said)


@router.post(f"{_PATH}/explain", tags=_TAGS, summary="Explain what rules say of one order")
def explain(store: Slug, document: ExplainDocument) -> ExplanationAnswer:
    """Say for every rule why or why not, condition by condition. The order may be one of the store's, or pasted."""
    call = call_of(router)
    found = call.store(store)
    rules = draft_of(document, found, call)
    try:
        explained = explain_order(
            found.slug,
            order_id=OrderId(document.order_id) if document.order_id is not None else None,
            order=document.order.to_order() if document.order else None,
            rules=rules,
            records=call.console.records,
            settings=call.console.settings,
            partners=call.console.partners,
            clock=bootstrap.now,
        )
    except InvalidRequestError:  # everything else it may say of a request was looked at above
        raise not_found("order") from None
    return ExplanationAnswer.model_validate(explained)


def _remarks(remarks: Sequence[Remark]) -> list[RemarkAnswer]:
    return [RemarkAnswer.model_validate(each) for each in remarks]
