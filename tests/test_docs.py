"""The documentation against what it speaks of: what is named exists, what exists is named, and its Python runs."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import moto
import pytest
from cfnlint.decode.cfn_yaml import load

from jetbridge.aws.orders_table import DynamoOrderRecords
from jetbridge.aws.queues import SqsWakeUpQueue
from jetbridge.aws.settings_table import DynamoStoreSettings
from jetbridge.bootstrap import connection_request, now
from jetbridge.config import PRODUCTION_STAGES, VARIABLES
from jetbridge.domain.connection import CODES, Trouble, shown
from jetbridge.domain.holds import OWNERS, REASONS, Hold
from jetbridge.domain.identifiers import OrderId, StoreSlug
from jetbridge.domain.record import OrderRecord, Status
from jetbridge.domain.timeline import TimelineEvent
from jetbridge.messages import WakeUp
from local.stack import ROOT
from tests.builders import a_store
from tests.unit.test_check_store import TROUBLESHOOTING

if TYPE_CHECKING:
    from collections.abc import Iterator

README, CONTRIBUTING = "README.md", "CONTRIBUTING.md"
DECISIONS, OPERATIONS = "docs/decisions.md", "docs/operations.md"
RULES = "docs/rules.md"
DOCS = (README, CONTRIBUTING, DECISIONS, OPERATIONS, RULES)

FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\| (.+) \|$", re.MULTILINE)


@cache
def text(document: str) -> str:
    return (ROOT / document).read_text()


@cache
def template() -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(load(str(ROOT / "template.yaml"))))
    return plain


@cache
def files() -> tuple[str, ...]:
    """Name every file that is committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - the one on the PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(name for name in listed.stdout.split("\0") if (ROOT / name).is_file())


def prose(document: str) -> str:
    return FENCED.sub("", text(document))


def said_in_code(document: str) -> list[str]:
    """Give what a document sets as code: spans and the lines of blocks."""
    blocks = [line for _, block in FENCED.findall(text(document)) for line in block.splitlines()]
    return CODE.findall(prose(document)) + blocks


def table(document: str, heading: str) -> dict[str, list[str]]:
    """Give the rows of the table whose first column has this heading: first cell → the other cells."""
    found: dict[str, list[str]] = {}
    inside = False
    for line in prose(document).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        inside = bool(cells) and (inside or cells[0] == heading)
        if inside and cells[0] not in {heading, "---"}:
            found[cells[0]] = cells[1:]
    assert found, f"{document} has no table of {heading}"
    return found


def by_code(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    """Give the rows under each name set as code in the first cell."""
    return {name: cells for first, cells in rows.items() for name in CODE.findall(first)}


# -- what is named exists ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCS)
def test_every_link_leads_somewhere(document: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        path, _, heading = link.partition("#")
        assert "://" not in path, f"{link}: name the page instead, addresses move"
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}, link


@pytest.mark.parametrize("document", DOCS)
def test_every_file_named_exists(document: str) -> None:
    folders = "|".join(sorted({name.partition("/")[0] for name in files() if "/" in name}))
    for code in said_in_code(document):
        for path in re.findall(rf"(?<![\w./-])(?:{re.escape(folders).replace(r'\|', '|')})/[\w./{{}}-]*", code):
            assert "{" in path or (ROOT / path).exists(), path


def make_targets() -> dict[str, str]:
    """Give each verb of the Makefile with its line of help, if it has one."""
    found = re.findall(r"^([a-z]+):(?:[^#\n]*)(?:## (.*))?$", text("Makefile"), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("document", DOCS)
def test_every_make_command_named_exists(document: str) -> None:
    for code in said_in_code(document):
        if command := re.match(r"make ([^#]+)", code):
            words = command[1].split()
            assert {word for word in words if "=" not in word} <= make_targets().keys(), code
            for name in (word.partition("=")[0] for word in words if "=" in word):
                assert f"$({name})" in text("Makefile") or f"$(if $({name})" in text("Makefile"), code


def test_make_help_lists_every_verb_and_the_documents_name_them_all() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    [phony] = re.findall(r"^\.PHONY: (.+)$", text("Makefile"), re.MULTILINE)
    named = {word for document in DOCS for code in said_in_code(document) for word in re.findall(r"make (\w+)", code)}

    assert set(phony.split()) == make_targets().keys()
    assert set(re.findall(r"^ +make (\w+) +\w", shown, re.MULTILINE)) == make_targets().keys()
    assert named >= make_targets().keys()


@pytest.mark.parametrize("document", DOCS)
def test_every_capital_name_set_as_code_exists(document: str) -> None:
    sources = "".join(text(name) for name in files() if name.endswith((".py", ".yaml", ".toml")) or name == "Makefile")
    for name in {name for code in said_in_code(document) for name in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", code)}:
        assert re.search(rf"\b{name}\b", sources), name


@pytest.mark.parametrize("document", DOCS)
def test_every_output_named_exists(document: str) -> None:
    named = re.findall(r"the output `?(\w+)`?", text(document))

    assert set(named) <= template()["Outputs"].keys()


# -- and the reverse --------------------------------------------------------------------------------------------------


def test_operations_name_the_variables_of_every_function() -> None:
    rows = {name: set(CODE.findall(cells[0])) for name, cells in by_code(table(OPERATIONS, "function")).items()}
    shared = set(CODE.findall(table(OPERATIONS, "function")["all"][0]))
    given = set(template()["Globals"]["Function"]["Environment"]["Variables"]) | {"POWERTOOLS_SERVICE_NAME"}

    assert shared == given
    assert rows == {function: set(names) - shared for function, names in VARIABLES.items()}


def test_the_readme_names_every_parameter_with_its_default() -> None:
    rows = {name: CODE.findall(cells[0]) for name, cells in by_code(table(README, "parameter")).items()}

    assert rows == {name: [str(each["Default"])] for name, each in template()["Parameters"].items()}


def test_the_readme_names_every_status() -> None:
    assert list(by_code(table(README, "status"))) == [status.value for status in Status]


def test_the_readme_names_every_hold_reason_under_who_lifts_it() -> None:
    rows = table(README, "who lifts it")

    assert {reason: owner for owner, [cell] in rows.items() for reason in CODE.findall(cell)} == OWNERS


def test_operations_explain_every_hold_reason() -> None:
    rows = by_code(table(OPERATIONS, "reason"))

    assert rows == {reason: [each.owner, each.next_step, each.lifted_when] for reason, each in REASONS.items()}


def test_operations_explain_every_alarm() -> None:
    alarms = {name for name, each in template()["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}

    assert by_code(table(OPERATIONS, "alarm")).keys() == alarms


def test_the_readme_names_every_function_that_an_event_wakes() -> None:
    woken = {path.name.partition(".")[0] for path in (ROOT / "events").glob("*.json")}

    assert woken == VARIABLES.keys()
    assert all(f"`{function}`" in text(README) for function in woken)


def test_the_readme_names_the_stages_that_keep_their_tables() -> None:
    assert all(f"`{stage}`" in text(README) for stage in PRODUCTION_STAGES)


def test_every_decision_says_what_why_and_what_was_rejected() -> None:
    entries = re.split(r"^## ", text(DECISIONS), flags=re.MULTILINE)[1:]

    assert entries
    for entry in entries:
        assert re.match(r"\d{4}-\d\d-\d\d: \S", entry), entry
        assert re.findall(r"^\*\*(What|Why|Rejected)[^*]*\*\*", entry, re.MULTILINE) == ["What", "Why", "Rejected"], (
            entry
        )


# -- form -------------------------------------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(text(README).splitlines()) < 200


@pytest.mark.parametrize("document", DOCS)
def test_lines_are_short_and_spelled_one_way(document: str) -> None:
    long = [line for line in text(document).splitlines() if len(line) > 120 and not line.startswith("|")]

    assert not long
    assert "fulfilment" not in text(document).lower()


# Put together here, so that this file does not name what it looks for.
PLACES = re.compile(
    "|".join(
        [
            *(rf"(?<![\w.])/{home}/\w" for home in ("home", "Users", "root")),
            # A short one, such as `/` or `/app`, stands for too much else.
            *(rf"(?<![\w.]){re.escape(str(own))}\b" for own in (ROOT, Path.home()) if len(own.parts) > 2),
            *(rf"\b{name}\.(?:org|com|io)\b" for name in ("py" + "pi", "python" + "hosted", "npm" + "js")),
        ]
    )
)


def contents() -> Iterator[tuple[str, str]]:
    for name in files():
        try:
            yield name, (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue


def test_no_file_names_a_place_on_somebodys_machine_or_a_package_index() -> None:
    found = [f"{name}: {place[0]}" for name, content in contents() for place in PLACES.finditer(content)]

    assert not found


# -- the Python in it runs --------------------------------------------------------------------------------------------

STORE, ORDER = StoreSlug("myshop"), OrderId("5123456789")


def bodies(sqs: Any, url: str) -> list[WakeUp]:  # noqa: ANN401 - boto3's
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [WakeUp.from_json(message["Body"]) for message in messages]


def stand_ins(sqs: Any, dynamodb: Any) -> dict[str, str]:  # noqa: ANN401 - boto3's
    """Make the tables and queues that the documents name by the stack's outputs."""
    names = {}
    for output, value in template()["Outputs"].items():
        resource = template()["Resources"].get(value["Value"].get("Ref", ""), {})
        properties = resource.get("Properties", {})
        if resource.get("Type") == "AWS::DynamoDB::Table":
            wanted = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
            dynamodb.create_table(TableName=output, **{key: properties[key] for key in wanted if key in properties})
            names[output] = output
        if resource.get("Type") == "AWS::SQS::Queue":
            fifo = {"FifoQueue": "true"} if properties.get("FifoQueue") else {}
            name = f"{output}.fifo" if fifo else output
            names[output] = sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
    return names


def test_the_request_of_the_readme_is_one_that_connects_a_store() -> None:
    [request] = [json.loads(block) for language, block in FENCED.findall(text(README)) if language == "json"]

    found = connection_request(request)

    assert found.slug == STORE
    assert all(shown(partner, credentials) for partner, credentials in found.credentials.items())


def test_operations_trace_every_trouble_to_the_findings_that_explain_it() -> None:
    section = text(OPERATIONS).partition("## Check a store")[2].partition("\n## ")[0]
    rows = [row.strip("|").split("|") for row in section.splitlines() if row.startswith("|")]
    named = {code for *_, cell in rows for code in CODE.findall(cell)}

    assert [cells[0].strip() for cells in rows[2:] if cells[0].strip()] == [*Trouble]
    assert named <= CODES.keys()
    assert {code for _, code, _ in TROUBLESHOOTING} <= named


@moto.mock_aws
def test_the_python_of_readme_and_operations_does_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    sqs, dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
    names = stand_ins(sqs, dynamodb)
    records = DynamoOrderRecords(dynamodb, names["OrdersTableName"])
    held = records.write(OrderRecord(STORE, ORDER, hold=Hold("rejected_by_jetpack", now()), failed="a partner"))
    records.note(STORE, ORDER, TimelineEvent(now(), "forward_order", "test", "held", ("Jetpack refused it",)))
    letter = WakeUp(STORE, "order", ORDER, "shopify:orders/create:1", 1.0)
    SqsWakeUpQueue(sqs, names["OrderDeadLetterQueueUrl"]).send([letter])

    settings = DynamoStoreSettings(dynamodb, names["SettingsTableName"], clock=now)
    settings.save_store(a_store(slug=STORE, version=0))

    given: dict[str, Any] = {}
    for document in (README, OPERATIONS):
        for language, block in FENCED.findall(text(document)):
            if language == "python":
                program = re.sub(r"the output (\w+)", lambda found: names[found[1]], block)
                exec(compile(program, document, "exec"), given)  # noqa: S102 - our own documentation

    after = records.read(STORE, ORDER)
    woken = bodies(sqs, names["OrderQueueUrl"])
    assert [each.cause.partition(":")[0] for each in woken] == ["redrive", "person"]
    assert all(each.group == letter.group and each.seen_at > letter.seen_at for each in woken)
    assert not bodies(sqs, names["OrderDeadLetterQueueUrl"])
    assert "Jetpack refused it" in capsys.readouterr().out
    assert after
    assert (after.hold, after.failed, after.version) == (None, "", held.version + 1)
