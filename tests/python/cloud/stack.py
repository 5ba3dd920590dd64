"""A deployment as these tests see it: made by the Pulumi program in `pulumi/`, as it stands, on the
emulator. Names, roles and permissions are what the program asked for and exports; nothing here says
them again.

What the tests add is a queue that subscribes to the alerts, and the program's configuration: two
shards, so that a run polls less, and a client called `shop`.
"""

import json

from tests.emulator.policies import role_for_emulator
from tests.emulator.stack import deploy
from tests.harness.graph import short

REGION = "us-east-1"
CONFIG = {
    "stream_mode": "provisioned",
    "stream_shards": 2,
    "clients": json.dumps([{"name": "shop"}]),
}
FUNCTIONS = ("validation", "aggregator", "anomaly", "api", "archiver")
BUCKETS = {"uploads": "bucket_name", "archive": "archive_bucket", "reports": "reports_bucket"}


class Stack:
    """What was deployed in one environment."""

    def __init__(self, emulator, graph, env):
        self.emulator, self.graph, self.env = emulator, graph, env
        self.region, self.account = graph.region, graph.account
        self.outputs = graph.outputs
        self.api_url = self.outputs["api_endpoint"]
        self.api_key_id = self.outputs["api_key_id"]
        self.api_key = self.client("apigateway").get_api_key(apiKey=self.api_key_id, includeValue=True)["value"]
        self.queue_url = self._subscribe()

    def client(self, service):
        return self.emulator.client(service)

    def table(self, base):
        return self.outputs["tables"][base]

    def bucket(self, purpose):
        return self.outputs[BUCKETS[purpose]]

    def function(self, purpose):
        return self.outputs["functions"][purpose]

    @property
    def stream(self):
        return self.outputs["stream_name"]

    @property
    def topic_arn(self):
        return self.outputs["sns_topic_arn"]

    def fingerprint_key(self):
        """The key that the program made; whoever holds it recognises cards as the functions do."""
        arn = self.graph.one("secretsmanager.Secret", "fingerprint-key").outputs["arn"]
        return self.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]

    def schedules(self, function):
        """ARNs of the rules that wake a function."""
        arn = self.graph.one("lambda.Function", f"{function}-lambda").outputs["arn"]
        rules = {target.inputs["rule"] for target in self.graph.settings_of("cloudwatch.EventTarget", "arn", arn)}
        return [rule.outputs["arn"] for rule in self.graph.of("cloudwatch.EventRule") if rule.inputs["name"] in rules]

    def mappings(self):
        """Event source mappings by the purpose of their function, with the settings that they were made with."""
        pages = self.client("lambda").get_paginator("list_event_source_mappings").paginate()
        by_name = {mapping["FunctionArn"].split(":")[6]: mapping for mapping in pages.search("EventSourceMappings[]")}
        purposes = {self.function(purpose): purpose for purpose in FUNCTIONS}
        return {purposes[name]: mapping for name, mapping in by_name.items() if name in purposes}

    # Permissions that are taken away and given back.

    def without(self, function, action):
        """The function's role may not do this any more."""
        document = json.loads(self._policy(function))
        for statement in document["Statement"]:
            statement["Action"] = [name for name in statement["Action"] if name != action]
        document["Statement"] = [statement for statement in document["Statement"] if statement["Action"]]
        assert document != json.loads(self._policy(function)), f"{function} never was allowed {action}"
        self._put_policy(function, json.dumps(document))

    def restore(self, function):
        """As it was deployed."""
        self._put_policy(function, self._policy(function))

    def _policy(self, function):
        return self.graph.one("iam.RolePolicy", f"{function}-lambda-policy").inputs["policy"]

    def _put_policy(self, function, document):
        named = self.graph.one("iam.RolePolicy", f"{function}-lambda-policy").inputs
        self.client("iam").put_role_policy(
            RoleName=named["role"], PolicyName=named["name"], PolicyDocument=role_for_emulator(document)
        )

    def _subscribe(self):
        """A queue stands for whoever subscribes to alerts."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=f"alerts-subscriber-{self.env}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self.topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.client("sns").subscribe(TopicArn=self.topic_arn, Protocol="sqs", Endpoint=arn)
        return url


def deployed(forks, emulator, env, zips, work, calls=None, config=None):
    """The program deployed as an environment; `calls` is where its functions send theirs."""
    config = {**CONFIG, "env": env, "lambda_dir": zips, **(config or {})}
    made = deploy(forks, emulator.url, work / f"{env}-graph.json", REGION, config, calls)
    kinds = len({short(resource.type) for resource in made.graph.custom()})
    print(f"   {env}: {sum(1 for _ in made.graph.custom())} resources of {kinds} kinds deployed", flush=True)
    return Stack(emulator, made.graph, env)
