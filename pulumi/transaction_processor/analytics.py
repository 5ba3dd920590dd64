"""The archive for analysts: a table in Glue, a workgroup in Athena, queries to begin with, and a
policy that lets its bearer read the archive and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import athena, glue, iam

from .documents import Statement, document
from .keys import Keys, via
from .naming import Place
from .storage import QUERY_RESULTS_PREFIX, Storage
from .views import over

# A query that would read more is stopped: at 5 USD per TB it costs 0.25 USD.
SCANNED_BYTES_MAX = 50 * 1024**3
# No event is older than the first of these days.
FIRST_DAY = "2026-01-01"

# A line of the archive: the event's attributes, and where it stands. `data` differs by type, so it
# is JSON for json_extract.
COLUMNS = (
    ("specversion", "string"),
    ("id", "string"),
    ("source", "string"),
    ("type", "string"),
    ("subject", "string"),
    ("time", "string"),
    ("dataschema", "string"),
    ("data", "string"),
    ("position", "struct<bucket:int,sequence:string,subsequence:bigint>"),
    ("arrival", "string"),
)

# An event can lie in the archive twice, with one position: readers drop repeats.
QUERIES: Mapping[str, tuple[str, str]] = {
    "events-by-day": (
        "How many events of each type came, by day",
        """SELECT "date", type, count(DISTINCT id) AS events
FROM {table}
WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
GROUP BY 1, 2
ORDER BY 1 DESC, 2""",
    ),
    "history-of-a-transaction": (
        "Every event of one transaction, in order; put its merchant and id in",
        """SELECT DISTINCT id, type, time, arrival, position, data
FROM {table}
WHERE "date" >= date_format(current_date - INTERVAL '30' DAY, '%Y-%m-%d')
  AND subject = 'MERCHANT_ID/TRANSACTION_ID'
ORDER BY arrival""",
    ),
    "rejects-by-code": (
        "Why rows were rejected, by day and code",
        """SELECT "date", json_extract_scalar(violation, '$.code') AS code,
  count(DISTINCT id) AS events
FROM {table}
CROSS JOIN UNNEST(CAST(json_extract(data, '$.violations') AS array(json))) AS t (violation)
WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
  AND type = 'row.rejected'
GROUP BY 1, 2
ORDER BY 1 DESC, 3 DESC""",
    ),
    "findings-by-rule": (
        "What the rules found, by day and rule",
        """SELECT "date", json_extract_scalar(hit, '$.rule') AS rule, count(DISTINCT id) AS events
FROM {table}
CROSS JOIN UNNEST(CAST(json_extract(data, '$.hits') AS array(json))) AS t (hit)
WHERE "date" >= date_format(current_date - INTERVAL '30' DAY, '%Y-%m-%d')
  AND type = 'anomaly.flagged'
GROUP BY 1, 2
ORDER BY 1 DESC, 3 DESC""",
    ),
    "totals-by-currency": (
        "What stands: accepted rows by type and currency, how many and how much",
        over("totals", "SELECT * FROM totals ORDER BY transaction_type, currency"),
    ),
    "rows-by-class": (
        "Rows accepted, duplicate, conflicting and rejected, by upload",
        over(
            "classed_rows",
            """SELECT upload_id, class, count(*) AS rows_of_class
FROM classed_rows
GROUP BY 1, 2
ORDER BY 1 DESC, 2""",
        ),
    ),
}


@dataclass(frozen=True)
class AnalyticsArgs:
    place: Place
    keys: Keys
    storage: Storage


class Analytics(pulumi.ComponentResource):
    """What an analyst needs to ask the archive."""

    workgroup: athena.Workgroup
    policy: iam.Policy

    def __init__(self, name: str, args: AnalyticsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("transaction-processor:index:Analytics", name, None, opts)
        place = args.place
        self._child = place.child(self)
        database = glue.CatalogDatabase(
            "transaction-history",
            # Athena takes no dash in a name without quotes.
            name=place.name("transaction-history").replace("-", "_"),
            description="The archive of the transaction processor",
            tags=place.tags,
            opts=self._child,
        )
        table = self._table(args, database)
        self.workgroup = self._workgroup(args)
        for purpose, (description, query) in QUERIES.items():
            athena.NamedQuery(
                f"{purpose}-query",
                name=place.name(purpose),
                description=description,
                database=database.name,
                workgroup=self.workgroup.name,
                query=table.name.apply(lambda name, query=query: query.format(table=name)),
                opts=self._child,
            )
        self.policy = iam.Policy(
            "transaction-analyst-policy",
            name=place.name("transaction-analyst-policy"),
            description="Asks the archive by Athena, and nothing else",
            policy=document(statements(args, self.workgroup, database, table)),
            tags=place.tags,
            opts=self._child,
        )
        self.register_outputs({"workgroup": self.workgroup.name})

    def _table(self, args: AnalyticsArgs, database: glue.CatalogDatabase) -> glue.CatalogTable:
        location = pulumi.Output.concat("s3://", args.storage.archive.name, "/")
        return glue.CatalogTable(
            "events",
            name="events",
            database_name=database.name,
            description="Every event; one position may occur twice",
            table_type="EXTERNAL_TABLE",
            partition_keys=[{"name": "date", "type": "string"}],
            parameters={
                "classification": "json",
                "compressionType": "gzip",
                # Days are computed, not crawled: a new day is there at once.
                "projection.enabled": "true",
                "projection.date.type": "date",
                "projection.date.format": "yyyy-MM-dd",
                "projection.date.range": f"{FIRST_DAY},NOW",
                "projection.date.interval": "1",
                "projection.date.interval.unit": "DAYS",
                "storage.location.template": pulumi.Output.concat(location, "date=${date}/"),
            },
            storage_descriptor=glue.CatalogTableStorageDescriptorArgs(
                location=location,
                input_format="org.apache.hadoop.mapred.TextInputFormat",
                output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                compressed=True,
                columns=[
                    glue.CatalogTableStorageDescriptorColumnArgs(name=column, type=type_)
                    for column, type_ in COLUMNS
                ],
                ser_de_info=glue.CatalogTableStorageDescriptorSerDeInfoArgs(
                    serialization_library="org.openx.data.jsonserde.JsonSerDe",
                    parameters={"ignore.malformed.json": "false"},
                ),
            ),
            opts=self._child,
        )

    def _workgroup(self, args: AnalyticsArgs) -> athena.Workgroup:
        place = args.place
        results = pulumi.Output.concat(
            "s3://", args.storage.reports.name, "/", QUERY_RESULTS_PREFIX
        )
        return athena.Workgroup(
            "transaction-analysts",
            name=place.name("transaction-analysts"),
            description="Questions to the archive",
            configuration={
                # What a client sets for itself does not count.
                "enforce_workgroup_configuration": True,
                "publish_cloudwatch_metrics_enabled": True,
                "bytes_scanned_cutoff_per_query": SCANNED_BYTES_MAX,
                "result_configuration": {
                    "output_location": results,
                    "expected_bucket_owner": place.account,
                    "encryption_configuration": {
                        "encryption_option": "SSE_KMS",
                        "kms_key_arn": args.keys.data.arn,
                    },
                },
            },
            # Its queries go with it; results expire by themselves.
            force_destroy=True,
            tags=place.tags,
            opts=self._child,
        )


def statements(
    args: AnalyticsArgs,
    workgroup: athena.Workgroup,
    database: glue.CatalogDatabase,
    table: glue.CatalogTable,
) -> list[Statement]:
    place, storage = args.place, args.storage
    asks = [
        "athena:BatchGetNamedQuery",
        "athena:GetNamedQuery",
        "athena:GetQueryExecution",
        "athena:GetQueryResults",
        "athena:GetWorkGroup",
        "athena:ListNamedQueries",
        "athena:StartQueryExecution",
        "athena:StopQueryExecution",
    ]
    catalog = [place.arn("glue", "catalog"), database.arn, table.arn]
    looks_up = [
        "glue:GetDatabase",
        "glue:GetPartitions",
        "glue:GetTable",
        "glue:GetTables",
    ]
    results = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    listing = ["s3:GetBucketLocation", "s3:ListBucket"]
    use = ["kms:Decrypt", "kms:GenerateDataKey"]
    return [
        Statement("Asks", asks, [workgroup.arn]),
        Statement("LooksUp", looks_up, catalog),
        Statement("ReadsArchive", ["s3:GetObject"], [storage.archive.under("date=")]),
        Statement("ListsArchive", listing, [storage.archive.arn]),
        Statement("KeepsResults", results, [storage.reports.under(QUERY_RESULTS_PREFIX)]),
        Statement(
            "ListsResults",
            ["s3:ListBucket"],
            [storage.reports.arn],
            {"StringLike": {"s3:prefix": f"{QUERY_RESULTS_PREFIX}*"}},
        ),
        Statement("LocatesResults", ["s3:GetBucketLocation"], [storage.reports.arn]),
        Statement("DataKey", use, [args.keys.data.arn], via(place, "s3")),
    ]
