"""What the deployment and the code must both know is the same: the deployment follows the code.

Read from the sources where they are plain; the tables come from the program that prints them.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from transaction_processor.api.refusals import PROBLEM_TYPE_PREFIX, REFUSALS, Refusal
from transaction_processor.api.routes import ROUTES
from transaction_processor.tables import shapes

from .conftest import Record
from .harness.graph import Graph
from .harness.program import PROGRAM
from .rules.webhooks import WEBHOOKS

CRATES = PROGRAM.parent / "crates"
PRINT_SECONDS_MAX = 30
# Lambda sets it.
BY_LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME"}


def source(path: str) -> str:
    return (CRATES / path).read_text(encoding="utf-8")


def test_tables_are_those_of_the_code() -> None:
    program = os.environ.get("TXP_TABLES")
    assert program, "set TXP_TABLES to the built example `tables` of txp-aws"
    printed = subprocess.run(  # noqa: S603 built here
        [program], capture_output=True, text=True, timeout=PRINT_SECONDS_MAX, check=True
    )
    ours = [{key: value for key, value in one.items() if key != "expires"} for one in shapes()]
    theirs = json.loads(printed.stdout)
    assert ours == [
        {key: value for key, value in one.items() if key != "expires"} for one in theirs
    ]


def test_what_ages_is_what_the_code_says() -> None:
    [attribute] = re.findall(
        r'EXPIRES_AT_S: &str = "(\w+)"', source("txp-aws/src/dynamodb/tables.rs")
    )
    assert {one["base"]: one.get("expires") for one in shapes() if one.get("expires")} == {
        "uploads": attribute
    }


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.response_type)
def test_the_gateway_s_problems_are_those_of_the_api(refusal: Refusal) -> None:
    text = source("txp-pipeline/src/document/problem.rs")
    assert f'= "{PROBLEM_TYPE_PREFIX}"' in text
    assert f'"{refusal.kind}", {refusal.status}, "{refusal.title}"' in text


def test_routes_are_those_of_the_api() -> None:
    text = source("txp-pipeline/src/api/route.rs")
    for route in ROUTES:
        assert f'"{route.path}"' in text


def test_a_page_may_send_the_headers_that_the_api_says(record: Record) -> None:
    text = source("txp-pipeline/src/api/headers.rs")
    [answer] = [
        one
        for one in record().of("apigateway.IntegrationResponse")
        if one.name == "transaction-api-upload-options-answer"
    ]
    headers = answer.inputs["responseParameters"]
    for name in ("Access-Control-Allow-Headers", "Access-Control-Max-Age"):
        value = headers[f"method.response.header.{name}"].strip("'")
        assert f'"{value}"' in text


def variables(graph: Graph, function: str) -> set[str]:
    inputs = graph.one("lambda.Function", f"{function}-lambda").inputs
    return set(inputs["environment"]["variables"])


@pytest.mark.parametrize("function", ["validation", "aggregator", "anomaly", "api", "archiver"])
def test_a_function_gets_the_variables_that_it_reads(record: Record, function: str) -> None:
    """Each variable is named in the code; each that the function asks for by constant is set."""
    known = set(re.findall(r'"([A-Z][A-Z_]+[A-Z])"', every_source("txp-aws", "txp-lambda")))
    given = variables(record(aggregate_bytes="20000", webhooks=WEBHOOKS), function)
    assert given <= known
    files = [CRATES / f"txp-lambda/src/{function}.rs"]
    files += sorted((CRATES / f"txp-lambda/src/{function}").glob("*.rs"))
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    ending = "BUCKET|STREAM|TOPIC|SECRET|OBJECT"
    asked = set(re.findall(rf"\b[A-Z][A-Z_]+_(?:{ending})\b", text))
    asked |= {f"{name}_TABLE" for name in re.findall(r"(?:tables::)?\b([A-Z]+)\.variable", text)}
    assert asked - BY_LAMBDA <= given


def every_source(*crates: str) -> str:
    paths = [path for crate in crates for path in sorted((CRATES / crate / "src").rglob("*.rs"))]
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def stage_of(module: str) -> str:
    """What a module of the code calls its stage; a folder's files are parts of its module."""
    paths = [
        path
        for crate in ("txp-aws", "txp-pipeline")
        for path in CRATES.glob(f"{crate}/src/**/*.rs")
    ]
    text = "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(paths)
        if module in (path.stem, path.parent.name)
    )
    [stage] = re.findall(r'pub const STAGE: &str = "(\w+)"', text)
    return stage


def test_quarantines_are_by_the_stages_of_the_functions(record: Record) -> None:
    """Other stages run elsewhere: what a replay cannot read is in a folder of its operator's."""
    made = re.findall(r"S3Quarantine::new\([^;{}]*?\b(\w+)::STAGE\)", every_source("txp-lambda"))
    assert made
    allowed: set[str] = set()
    for policy in record().of("iam.RolePolicy"):
        allowed |= set(re.findall(r"quarantine/(\w+)/", policy.inputs["policy"]))
    assert allowed == {stage_of(module) for module in made}


def test_the_default_rules_are_the_code_s() -> None:
    assert 'include_str!("rulefile/default.json")' in source("txp-pipeline/src/rulefile.rs")
    from transaction_processor.settings import TapStackArgs

    assert TapStackArgs().rules_file == Path(CRATES / "txp-pipeline/src/rulefile/default.json")


def test_a_client_s_item_has_the_attributes_that_the_code_reads(record: Record) -> None:
    text = source("txp-aws/src/dynamodb/clients.rs")
    clients = [
        {
            "name": "shop",
            "merchants": ["m"],
            "default_currency": "EUR",
            "default_time_zone": "Europe/Rome",
            "long_number_ids_allowed": True,
        }
    ]
    [item] = record(clients=json.dumps(clients)).of("dynamodb.TableItem")
    for attribute in json.loads(item.inputs["item"]):
        assert f'"{attribute}"' in text


def test_webhooks_are_written_as_the_code_reads_them(record: Record) -> None:
    text = source("txp-aws/src/webhooks.rs")
    [fields] = re.findall(r"struct Given \{(.*?)\}", text, re.DOTALL)
    read = set(re.findall(r"^    (\w+):", fields, re.MULTILINE))
    version = record(webhooks=WEBHOOKS).one("secretsmanager.SecretVersion", "webhooks-version")
    for endpoint in json.loads(version.inputs["secretString"]):
        # Never the exception for trying things out.
        assert set(endpoint) == read - {"loopback_allowed"}
