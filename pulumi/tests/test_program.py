"""How the program reads its configuration, and how its components are written."""

import ast
import json
import re
from pathlib import Path

import pulumi
import pytest

from transaction_processor import read_config
from transaction_processor.preflight import shortfall

from .conftest import Record, run_recorder
from .harness.forks import Forks
from .harness.graph import Graph, read
from .harness.program import PROGRAM, PROJECT
from .rules.webhooks import WEBHOOKS

PACKAGE = PROGRAM / "transaction_processor"


def components() -> list[tuple[str, ast.FunctionDef]]:
    found: list[tuple[str, ast.FunctionDef]] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            bases = (
                [ast.unparse(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []
            )
            if isinstance(node, ast.ClassDef) and "pulumi.ComponentResource" in bases:
                init = next(one for one in node.body if isinstance(one, ast.FunctionDef))
                found.append((node.name, init))
    return found


@pytest.mark.parametrize(("name", "init"), components(), ids=[name for name, _ in components()])
def test_a_component_registers_its_outputs_last_and_once(name: str, init: ast.FunctionDef) -> None:
    assert init.name == "__init__"
    assert ast.unparse(init.body[-1]).startswith("self.register_outputs("), name
    assert ast.unparse(init).count("register_outputs(") == 1, name


def by_name(graph: Graph) -> dict[str, str]:
    return {
        f"{one.type} {one.name}": json.dumps(one.inputs, sort_keys=True) for one in graph.custom()
    }


def test_two_runs_ask_for_the_same(
    forks: Forks, record: Record, tmp_path: Path, lambda_dir: Path
) -> None:
    again = tmp_path / "again.json"
    assert run_recorder(forks, again, "us-east-1", lambda_dir, {}).returncode == 0
    first, second = by_name(record()), by_name(read(again))
    changed = {name for name in first if first[name] != second.get(name)}
    # Their changes are ignored: another rule holds them to that.
    version = "aws:secretsmanager/secretVersion:SecretVersion"
    assert changed == {f"{version} {name}-version" for name in ("fingerprint-key", "receipt-key")}
    assert first.keys() == second.keys()


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-2"])
def test_any_region(record: Record, region: str) -> None:
    graph = record(region=region)
    text = json.dumps([one.inputs for one in graph.custom()])
    assert region in text
    assert "us-east-1" not in text


def test_the_suffix_is_in_every_name(record: Record) -> None:
    graph = record(env="pr-17")
    text = json.dumps([one.inputs for one in graph.custom()])
    assert "transactions-pr-17" in text
    assert not re.search(r"-dev\b", text)
    assert graph.outputs["dynamodb_table_name"] == "transactions-pr-17"


def test_names_are_those_that_people_know(record: Record) -> None:
    graph = record()
    named = {str(one.inputs.get("name") or one.inputs.get("bucket")) for one in graph.custom()}
    assert {
        "transaction-uploads-dev",
        "transaction-archive-dev",
        "transaction-reports-dev",
        "transactions-dev",
        "uploads-dev",
        "profiles-dev",
        "alerts-dev",
        "clients-dev",
        "transaction-events-dev",
        "transaction-alerts-dev",
        "validation-lambda-dev",
        "aggregator-lambda-dev",
        "anomaly-lambda-dev",
        "api-lambda-dev",
        "archiver-lambda-dev",
        "transaction-api-dev",
    } <= named


def test_a_bucket_suffix_is_on_buckets_alone(record: Record) -> None:
    graph = record(bucket_suffix="acme")
    assert all(one.inputs["bucket"].endswith("-dev-acme") for one in graph.of("s3.Bucket"))
    assert graph.outputs["dynamodb_table_name"] == "transactions-dev"
    assert graph.outputs["rules_object"] == "s3://transaction-rules-dev-acme/rules.json"


def test_rules_to_be_tried_are_an_object_while_they_are_set(record: Record, tmp_path: Path) -> None:
    def named(graph: Graph) -> str:
        function = graph.one("lambda.Function", "anomaly-lambda").inputs
        return function["environment"]["variables"]["SHADOW_RULES_OBJECT"]

    def objects(graph: Graph) -> dict[str, str]:
        return {
            one.inputs["key"]: one.inputs["content"]
            for one in graph.of("s3.BucketObject")
            if one.inputs["bucket"] == "transaction-rules-dev"
        }

    without = record()
    assert named(without) == "s3://transaction-rules-dev/shadow.json"
    assert set(objects(without)) == {"rules.json"}
    tried = tmp_path / "tried.json"
    tried.write_text('{"version":"tried-1"}', encoding="utf-8")
    graph = record(shadow_rules_file=str(tried))
    assert named(graph) == named(without)
    assert objects(graph)["shadow.json"] == '{"version":"tried-1"}'


def test_capacity_is_on_demand_or_provisioned(record: Record) -> None:
    on_demand = record().one("kinesis.Stream", "transaction-events").inputs
    assert on_demand["streamModeDetails"] == {"streamMode": "ON_DEMAND"}
    assert "shardCount" not in on_demand
    assert on_demand["retentionPeriod"] == 7 * 24
    provisioned = record(
        stream_mode="provisioned", stream_shards="6", stream_retention_days="365"
    ).one("kinesis.Stream", "transaction-events")
    assert provisioned.inputs["streamModeDetails"] == {"streamMode": "PROVISIONED"}
    assert provisioned.inputs["shardCount"] == 6
    assert provisioned.inputs["retentionPeriod"] == 365 * 24
    warm = record(warm_write_units="20000").one("dynamodb.Table", "transactions").inputs
    assert warm["warmThroughput"]["writeUnitsPerSecond"] == 20_000


def test_another_table_of_transactions_takes_over_and_its_changes_are_judged(
    record: Record,
) -> None:
    name = "transactions-dev-2"
    graph = record(transactions_table=name)
    tables = {
        purpose: graph.one("lambda.Function", f"{purpose}-lambda")
        .inputs["environment"]["variables"]
        .get("TRANSACTIONS_TABLE")
        for purpose in ("aggregator", "anomaly", "api")
    }
    assert tables == {"aggregator": name, "anomaly": None, "api": name}
    own = graph.one("dynamodb.Table", "transactions").outputs
    sources = {
        mapping.inputs["eventSourceArn"]: mapping
        for mapping in graph.of("lambda.EventSourceMapping")
        if mapping.name.startswith("anomaly-mapping")
    }
    there = next(arn for arn in sources if f"table/{name}/stream/" in arn)
    # What was written to the stack's own table last is judged, too.
    assert set(sources) == {own["streamArn"], there}
    filters = [mapping.inputs["filterCriteria"] for mapping in sources.values()]
    assert filters[0] == filters[1]
    allowed = json.dumps([policy.policy() for policy in graph.of("iam.RolePolicy")])
    assert f'table/{name}"' in allowed
    assert there in allowed
    assert f'"{own["arn"]}"' not in allowed


def test_the_fold_can_be_paused(record: Record) -> None:
    def mappings(**config: str) -> dict[str, bool]:
        found = record(**config).of("lambda.EventSourceMapping")
        return {mapping.name: mapping.inputs["enabled"] for mapping in found}

    assert set(mappings().values()) == {True}
    paused = mappings(fold_paused="true")
    assert [name for name, enabled in paused.items() if not enabled] == ["aggregator-mapping"]


def test_reservations_are_a_switch(record: Record) -> None:
    functions = record(reserved_concurrency="false").of("lambda.Function")
    assert all("reservedConcurrentExecutions" not in one.inputs for one in functions)


def test_too_little_concurrency_stops_before_anything_is_made(
    forks: Forks, tmp_path: Path, lambda_dir: Path
) -> None:
    out = tmp_path / "graph.json"
    result = run_recorder(forks, out, "us-east-1", lambda_dir, {}, "--concurrency", "149")
    assert result.returncode != 0
    assert "pulumi config set reserved_concurrency false" in result.stderr
    off = {"reserved_concurrency": "false"}
    result = run_recorder(forks, out, "us-east-1", lambda_dir, off, "--concurrency", "149")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("limit", "is_enough"), [(1000, True), (150, True), (149, False), (10, False)]
)
def test_lambda_keeps_100_executions_unreserved(limit: int, is_enough: bool) -> None:
    assert (shortfall(limit, 50) is None) == is_enough


def test_clients_have_keys_and_items(record: Record) -> None:
    clients = [
        {
            "name": "shop",
            "merchants": ["m-2", "m-1"],
            "keys": ["2026", "2027"],
            "default_currency": "EUR",
        },
        {"name": "bank", "long_number_ids_allowed": True},
    ]
    graph = record(clients=json.dumps(clients))
    assert len(graph.of("apigateway.ApiKey")) == 3
    ids = graph.outputs["api_key_ids"]
    assert {client: list(keys) for client, keys in ids.items()} == {
        "shop": ["2026", "2027"],
        "bank": ["first"],
    }
    assert graph.outputs["api_key_id"] == ids["shop"]["2026"]
    items = {one.name: json.loads(one.inputs["item"]) for one in graph.of("dynamodb.TableItem")}
    shop = {
        "client_id": {"S": "shop"},
        "merchants": {"L": [{"S": "m-1"}, {"S": "m-2"}]},
        "default_currency": {"S": "EUR"},
    }
    assert items == {
        "client-shop-2026": {"api_key_id": {"S": ids["shop"]["2026"]}, **shop},
        "client-shop-2027": {"api_key_id": {"S": ids["shop"]["2027"]}, **shop},
        "client-bank-first": {
            "api_key_id": {"S": ids["bank"]["first"]},
            "client_id": {"S": "bank"},
            "merchants": {"L": [{"S": "*"}]},
            "long_number_ids_allowed": {"BOOL": True},
        },
    }


def test_people_are_told(record: Record) -> None:
    emails = ["on-call@example.com", "risk@example.com"]
    graph = record(alert_emails=json.dumps(emails))
    asked = graph.of("sns.TopicSubscription")
    assert sorted(one.inputs["endpoint"] for one in asked) == emails
    assert {one.inputs["protocol"] for one in asked} == {"email"}


def test_webhooks_are_nothing_unless_they_are_set(record: Record) -> None:
    graph = record()
    assert [one for one in graph.of("secretsmanager.Secret") if one.name == "webhooks"] == []
    text = json.dumps([one.inputs for one in graph.custom()])
    assert "TELL_UPLOAD_ENDS" not in text
    assert "WEBHOOKS_SECRET" not in text
    alerts_alone = json.loads(WEBHOOKS)[1:]
    graph = record(webhooks=json.dumps(alerts_alone))
    assert "TELL_UPLOAD_ENDS" not in json.dumps([one.inputs for one in graph.custom()])


def test_a_destroy_takes_everything_when_it_is_told_to(record: Record) -> None:
    graph = record(delete_data="true")
    kept = {one.type for one in graph.custom() if one.retain_on_delete}
    # The account's setting is of every API in the region.
    assert kept == {
        "aws:apigateway/account:Account",
        "aws:iam/role:Role",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    }
    assert all(one.inputs["forceDestroy"] for one in graph.of("s3.Bucket"))
    assert {one.inputs["recoveryWindowInDays"] for one in graph.of("secretsmanager.Secret")} == {0}


def webhook(**other: object) -> dict[str, str]:
    """A configuration that would be right but for this."""
    [first, *_] = json.loads(WEBHOOKS)
    return {"webhooks": json.dumps([{**first, **other}])}


@pytest.mark.parametrize(
    ("config", "advice"),
    [
        ({"env": "Dev"}, "set `env`"),
        ({"env": "a" * 21}, "set `env`"),
        ({"bucket_suffix": "a_b"}, "set `bucket_suffix`"),
        ({"stream_mode": "fast"}, "on-demand, provisioned"),
        ({"stream_retention_days": "366"}, "1 to 365"),
        ({"stream_shards": "0"}, "at least one"),
        ({"architecture": "riscv"}, "x86_64, arm64"),
        ({"clients": "[]"}, "at least one client"),
        ({"clients": '[{"merchants":["a"]}]'}, "JSON list"),
        ({"clients": '[{"name":"a","merchant":"b"}]'}, "`merchant` is not known"),
        ({"clients": '[{"name":"a"},{"name":"a"}]'}, "each once"),
        ({"clients": '[{"name":"a","merchants":["*","b"]}]'}, "`*` alone is all"),
        ({"clients": '[{"name":"../a"}]'}, "set `clients`"),
        ({"clients": '[{"name":"a","keys":[]}]'}, "must have one key"),
        ({"clients": '[{"name":"a","keys":["1","2","3"]}]'}, "must have one key"),
        ({"clients": '[{"name":"a","keys":["1","1"]}]'}, "of different names"),
        ({"clients": '[{"name":"a","keys":["a/b"]}]'}, "set `keys`"),
        ({"webhooks": "{}"}, "JSON list"),
        ({"webhooks": '[{"name":"a","url":"https://a"}]'}, "secrets of a webhook"),
        (webhook(url="http://a.example/"), "https://"),
        (webhook(url="https://user:word@a.example/"), "without a user's name"),
        (webhook(name="a/b"), "set `webhooks`"),
        (webhook(secrets=["whsec_c2hvcnQ="]), "set its `secrets`"),
        (webhook(secrets=[]), "set its `secrets`"),
        (webhook(events=["money"]), "uploads, alerts"),
        (webhook(allow_loopback=True), "JSON list"),
        ({"webhooks": json.dumps([*json.loads(WEBHOOKS)] * 2)}, "each once"),
        ({"alert_emails": '"a@example.com"'}, "JSON list of texts"),
    ],
)
def test_a_wrong_configuration_is_refused_with_advice(config: dict[str, str], advice: str) -> None:
    pulumi.runtime.set_all_config({f"{PROJECT}:{key}": value for key, value in config.items()})
    with pytest.raises(ValueError, match=re.escape(advice)):
        read_config(pulumi.Config(PROJECT))


def test_without_packages_it_says_how_to_make_them(forks: Forks, tmp_path: Path) -> None:
    result = run_recorder(forks, tmp_path / "graph.json", "us-east-1", tmp_path, {})
    assert result.returncode != 0
    assert "run `cargo xtask package`" in result.stderr
