"""Rules that `template.yaml` keeps. The lower half shows that each of them notices when it is broken."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from cfnlint.decode.cfn_yaml import load

from jetbridge.config import PRODUCTION_STAGES, VARIABLES
from local.emulator import HANDLER
from local.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

Template = dict[str, Any]

FOURTEEN_DAYS = 14 * 24 * 3600

# Where AWS knows no narrower resource than `*`, as (role, statement id), with the reason beside the statement.
STAR_RESOURCES: set[tuple[str, str]] = set()


@pytest.fixture(scope="module")
def template() -> Template:
    # Plain dicts: cfn-lint's own nodes cannot be copied and changed.
    plain: Template = json.loads(json.dumps(load(str(ROOT / "template.yaml"))))
    return plain


def resources(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    found = {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}
    assert found, f"no {kind} in the template"
    return found


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """Give each function with the globals where it says nothing itself."""
    shared = template["Globals"]["Function"]
    found = resources(template, "AWS::Serverless::Function")
    return {
        name: shared
        | own
        | {
            "LoggingConfig": shared["LoggingConfig"] | own.get("LoggingConfig", {}),
            "Variables": shared["Environment"]["Variables"] | own["Environment"]["Variables"],
        }
        for name, own in found.items()
    }


def value(template: Template, found: Any) -> Any:  # noqa: ANN401 - as loose as YAML
    """Resolve a reference to a parameter to its default."""
    if isinstance(found, dict) and found.get("Ref") in template["Parameters"]:
        return template["Parameters"][found["Ref"]]["Default"]
    return found


def target(found: Any) -> str:  # noqa: ANN401 - as loose as YAML
    """Name the resource that a reference or one of its attributes leads to."""
    name = found["Ref"] if "Ref" in found else found["Fn::GetAtt"][0]
    return str(name)


def sources(template: Template, kind: str) -> list[tuple[str, dict[str, Any]]]:
    found = [
        (name, event["Properties"])
        for name, function in functions(template).items()
        for event in function.get("Events", {}).values()
        if event["Type"] == kind
    ]
    assert found, f"no event of type {kind}"
    return found


def working_queues(template: Template) -> dict[str, dict[str, Any]]:
    return {name: queue for name, queue in resources(template, "AWS::SQS::Queue").items() if "DeadLetter" not in name}


# -- rules ------------------------------------------------------------------------------------------------------------


def layer_and_functions_have_one_architecture(template: Template) -> None:
    wanted = {json.dumps(function["Architectures"]) for function in functions(template).values()}
    for layer in (each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::LayerVersion"):
        # Left out, it is x86_64, whatever the functions are, and the build succeeds.
        wanted |= {json.dumps([layer["Metadata"]["BuildArchitecture"]])}
        wanted |= {json.dumps(layer["Properties"]["CompatibleArchitectures"])}
    assert len(wanted) == 1, wanted


def alias_flags_come_all_or_not_at_all(template: Template) -> None:
    for function in functions(template).values():
        aliased = "AutoPublishAlias" in function or "SnapStart" in function
        assert aliased == bool(function.get("AutoPublishAliasAllProperties"))
        for layer in resources(template, "AWS::Serverless::LayerVersion").values():
            assert aliased == bool(layer.get("PublishLambdaVersion"))


def messages_stay_hidden_for_six_timeouts(template: Template) -> None:
    for name, event in sources(template, "SQS"):
        timeout = value(template, functions(template)[name]["Timeout"])
        queue = resources(template, "AWS::SQS::Queue")[target(event["Queue"])]
        assert value(template, queue["VisibilityTimeout"]) >= 6 * timeout, name


def queue_events_report_partial_failures(template: Template) -> None:
    for name, event in sources(template, "SQS"):
        assert event["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def order_ways_run_at_most_five_at_once(template: Template) -> None:
    capped = {
        target(event["Queue"]): event["ScalingConfig"]["MaximumConcurrency"]
        for _, event in sources(template, "SQS")
        if "ScalingConfig" in event
    }
    assert capped == {"OrderQueue": 5, "TrackingQueue": 5}


def every_handler_exists(template: Template) -> None:
    for name, function in functions(template).items():
        assert function["Handler"] == HANDLER
        module, _, attribute = HANDLER.rpartition(".")
        source = ROOT / function["CodeUri"] / f"{module}.py"
        assert source.is_file(), name
        assert f"def {attribute}(" in source.read_text(), name
        assert [path.name for path in source.parent.iterdir() if path.name != "__pycache__"] == [source.name]


def every_function_is_limited_and_logged(template: Template) -> None:
    own = resources(template, "AWS::Serverless::Function")
    groups = resources(template, "AWS::Logs::LogGroup")
    used = []
    for name, function in functions(template).items():
        assert {"Timeout", "MemorySize"} <= own[name].keys(), name
        used.append(target(function["LoggingConfig"]["LogGroup"]))
    assert len(set(used)) == len(used), "two functions share a log group"
    assert all(group["RetentionInDays"] for group in groups.values())
    assert set(used) <= groups.keys()


def every_queue_has_a_watched_dead_letter_queue(template: Template) -> None:
    queues = resources(template, "AWS::SQS::Queue")
    watched = {
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"][0]
        for alarm in resources(template, "AWS::CloudWatch::Alarm").values()
        if alarm["AlarmActions"] and alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    }
    letters = []
    for name, queue in working_queues(template).items():
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5, name
        letters.append(target(queue["RedrivePolicy"]["deadLetterTargetArn"]))
        assert queues[letters[-1]]["MessageRetentionPeriod"] == FOURTEEN_DAYS, name
        assert queues[letters[-1]].get("FifoQueue") == queue.get("FifoQueue"), name
    assert len(set(letters)) == len(letters), "two queues share a dead-letter queue"
    assert watched == set(letters)


def fifo_queues_count_by_group(template: Template) -> None:
    fifo = {name: queue for name, queue in working_queues(template).items() if queue.get("FifoQueue")}
    assert fifo.keys() == {"OrderQueue", "TrackingQueue"}
    for queue in fifo.values():
        assert queue["FifoThroughputLimit"] == "perMessageGroupId"
        assert queue["DeduplicationScope"] == "messageGroup"


def every_function_has_a_role_of_its_own(template: Template) -> None:
    roles = [target(function["Role"]) for function in functions(template).values()]
    assert len(set(roles)) == len(roles)
    for role in resources(template, "AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role  # hand-written statements only


def no_statement_is_for_everything(template: Template) -> None:
    stars = set()
    for role, properties in resources(template, "AWS::IAM::Role").items():
        for policy in properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                allowed = statement["Resource"]
                if "*" in (allowed if isinstance(allowed, list) else [allowed]):
                    stars.add((role, statement["Sid"]))
                actions = statement["Action"]
                assert not any("*" in action for action in ([actions] if isinstance(actions, str) else actions))
    assert stars == STAR_RESOURCES


def the_intake_reads_webhook_secrets_only(template: Template) -> None:
    role = json.dumps(template["Resources"]["ReceiveWebhookRole"])
    assert re.findall(r"parameter/[^\"]*", role) == ["parameter/jetbridge/${Stage}/*/*/webhook"]
    assert "dynamodb" not in role


def only_the_console_writes_secrets(template: Template) -> None:
    writers = {
        role
        for role, properties in resources(template, "AWS::IAM::Role").items()
        if re.search(r"ssm:(?!GetParameter\b)\w+", json.dumps(properties))
    }
    assert writers == {"ConsoleRole"}
    role = json.dumps(template["Resources"]["ConsoleRole"])
    assert re.findall(r"parameter/[^\"]*", role) == ["parameter/jetbridge/${Stage}/*"]


def people_and_partners_have_doors_of_their_own(template: Template) -> None:
    doors: dict[str, set[str]] = {}
    for name, event in sources(template, "HttpApi"):
        doors.setdefault(target(event["ApiId"]), set()).add(name)
    # The console must know the webhooks' address: the same API would be a circle.
    assert doors == {"HttpApi": {"ReceiveWebhook"}, "ConsoleApi": {"Console"}}
    assert "${HttpApi}" in functions(template)["Console"]["Variables"]["PUBLIC_URL"]["Fn::Sub"]
    limits = {
        name: api["DefaultRouteSettings"]["ThrottlingRateLimit"]
        for name, api in resources(template, "AWS::Serverless::HttpApi").items()
    }
    assert limits["ConsoleApi"] < limits["HttpApi"]


def functions_get_the_variables_they_read(template: Template) -> None:
    for name, function in functions(template).items():
        given = {variable for variable in function["Variables"] if not variable.startswith("POWERTOOLS_")}
        folder = function["CodeUri"].removeprefix("functions/")
        assert given == set(VARIABLES[folder]), name
        assert function["Variables"]["POWERTOOLS_SERVICE_NAME"] == folder
    assert len(VARIABLES) == len(functions(template))


def the_path_is_never_logged(template: Template) -> None:
    for api in resources(template, "AWS::Serverless::HttpApi").values():
        logged = set(re.findall(r"\$context\.(\w+)", api["AccessLogSettings"]["Format"]))
        assert logged == {"requestId", "routeKey", "status", "responseLatency"}
        assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= api["DefaultRouteSettings"].keys()


def schedules_can_be_switched_off(template: Template) -> None:
    for name, schedule in sources(template, "ScheduleV2"):
        assert schedule["State"] == {"Ref": "Schedules"}, name
        assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}, name
        assert "task" in json.loads(schedule["Input"]), name


def merchants_keep_their_tables(template: Template) -> None:
    stages = {each["Fn::Equals"][1] for each in template["Conditions"]["IsProduction"]["Fn::Or"]}
    assert stages == PRODUCTION_STAGES
    for name in ("OrdersTable", "SettingsTable"):
        table = template["Resources"][name]
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            assert table[policy] == {"Fn::If": ["IsProduction", "Retain", "Delete"]}, name
        assert table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    for name in ("OrdersTable", "RuntimeTable"):
        expiry = template["Resources"][name]["Properties"]["TimeToLiveSpecification"]
        assert expiry == {"AttributeName": "expires_at", "Enabled": True}, name


RULES = [
    alias_flags_come_all_or_not_at_all,
    every_function_has_a_role_of_its_own,
    every_function_is_limited_and_logged,
    every_handler_exists,
    every_queue_has_a_watched_dead_letter_queue,
    fifo_queues_count_by_group,
    functions_get_the_variables_they_read,
    layer_and_functions_have_one_architecture,
    merchants_keep_their_tables,
    messages_stay_hidden_for_six_timeouts,
    no_statement_is_for_everything,
    only_the_console_writes_secrets,
    order_ways_run_at_most_five_at_once,
    people_and_partners_have_doors_of_their_own,
    queue_events_report_partial_failures,
    schedules_can_be_switched_off,
    the_intake_reads_webhook_secrets_only,
    the_path_is_never_logged,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_template_keeps_the_rule(rule: Callable[[Template], None], template: Template) -> None:
    rule(template)


# -- each rule can be broken ------------------------------------------------------------------------------------------

# Where the mistake is made, as a path into Resources or, with a leading `/`, into the template; None takes it out.
MISTAKES: list[tuple[Callable[[Template], None], str, Any]] = [
    (layer_and_functions_have_one_architecture, "CoreLayer.Metadata.BuildArchitecture", "x86_64"),
    (layer_and_functions_have_one_architecture, "ForwardOrder.Properties.Architectures", ["arm64"]),
    (alias_flags_come_all_or_not_at_all, "ForwardOrder.Properties.AutoPublishAlias", "live"),
    (alias_flags_come_all_or_not_at_all, "CoreLayer.Properties.PublishLambdaVersion", True),
    (messages_stay_hidden_for_six_timeouts, "/Parameters.WorkerTimeoutSeconds.Default", 61),
    (messages_stay_hidden_for_six_timeouts, "SweepQueue.Properties.VisibilityTimeout", 30),
    (
        queue_events_report_partial_failures,
        "SweepOrders.Properties.Events.SweepQueue.Properties.FunctionResponseTypes",
        [],
    ),
    (order_ways_run_at_most_five_at_once, "ForwardOrder.Properties.Events.OrderQueue.Properties.ScalingConfig", None),
    (every_handler_exists, "ForwardOrder.Properties.CodeUri", "functions/forward_orders"),
    (every_handler_exists, "ForwardOrder.Properties.Handler", "app.main"),
    (every_function_is_limited_and_logged, "ForwardOrder.Properties.Timeout", None),
    (every_function_is_limited_and_logged, "ForwardOrder.Properties.LoggingConfig.LogGroup.Ref", "SyncTrackingLogs"),
    (every_function_is_limited_and_logged, "ForwardOrderLogs.Properties.RetentionInDays", 0),
    (every_queue_has_a_watched_dead_letter_queue, "OrderDeadLetterAlarm.Properties.AlarmActions", []),
    (every_queue_has_a_watched_dead_letter_queue, "OrderDeadLetterQueue.Properties.MessageRetentionPeriod", 345600),
    (every_queue_has_a_watched_dead_letter_queue, "OrderQueue.Properties.RedrivePolicy.maxReceiveCount", 1),
    (fifo_queues_count_by_group, "OrderQueue.Properties.FifoThroughputLimit", "perQueue"),
    (fifo_queues_count_by_group, "SweepQueue.Properties.FifoQueue", True),
    (every_function_has_a_role_of_its_own, "ForwardOrder.Properties.Role", {"Fn::GetAtt": ["SyncTrackingRole", "Arn"]}),
    (every_function_has_a_role_of_its_own, "ForwardOrderRole.Properties.ManagedPolicyArns", ["arn:any"]),
    (no_statement_is_for_everything, "SchedulerRole.Properties.Policies.0.PolicyDocument.Statement.0.Resource", "*"),
    (
        no_statement_is_for_everything,
        "SchedulerRole.Properties.Policies.0.PolicyDocument.Statement.0.Action",
        "lambda:*",
    ),
    (
        the_intake_reads_webhook_secrets_only,
        "ReceiveWebhookRole.Properties.Policies.0.PolicyDocument.Statement.2.Resource",
        "arn:aws:ssm:r:a:parameter/jetbridge/*",
    ),
    (
        only_the_console_writes_secrets,
        "ForwardOrderRole.Properties.Policies.0.PolicyDocument.Statement.0.Action",
        "ssm:PutParameter",
    ),
    (
        people_and_partners_have_doors_of_their_own,
        "Console.Properties.Events.Door.Properties.ApiId",
        {"Ref": "HttpApi"},
    ),
    (
        people_and_partners_have_doors_of_their_own,
        "ConsoleApi.Properties.DefaultRouteSettings.ThrottlingRateLimit",
        200,
    ),
    (functions_get_the_variables_they_read, "ReceiveWebhook.Properties.Environment.Variables.ORDERS_TABLE", "x"),
    (functions_get_the_variables_they_read, "ForwardOrder.Properties.Environment.Variables.ORDERS_TABLE", None),
    (the_path_is_never_logged, "HttpApi.Properties.AccessLogSettings.Format", '{"path":"$context.path"}'),
    (schedules_can_be_switched_off, "SweepOrders.Properties.Events.Due.Properties.State", "ENABLED"),
    (merchants_keep_their_tables, "OrdersTable.DeletionPolicy", "Delete"),
    (merchants_keep_their_tables, "/Conditions.IsProduction.Fn::Or", [{"Fn::Equals": [{"Ref": "Stage"}, "prod"]}]),
]


@pytest.mark.parametrize(("rule", "place", "wrong"), MISTAKES, ids=lambda part: getattr(part, "__name__", None))
def test_the_rule_notices(rule: Callable[[Template], None], place: str, wrong: object, template: Template) -> None:
    broken = copy.deepcopy(template)
    node: Any = broken if place.startswith("/") else broken["Resources"]
    *steps, last = place.removeprefix("/").split(".")
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    if wrong is None:
        del node[last]
    else:
        node[last] = wrong

    with pytest.raises((AssertionError, KeyError)):
        rule(broken)


def test_every_rule_has_a_mistake_that_breaks_it() -> None:
    assert {rule for rule, _, _ in MISTAKES} == set(RULES)
