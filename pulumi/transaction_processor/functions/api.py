"""api: answers merchants, woken by API Gateway."""

import pulumi

from ..documents import Statement
from ..storage import REJECTS_PREFIX, UPLOADS_PREFIX
from . import access
from .function import LambdaFunction, LambdaFunctionArgs
from .parts import Parts

PURPOSE = "api"
# API Gateway waits no longer.
TIMEOUT_SECONDS = 29


def api(parts: Parts, parent: pulumi.Resource) -> LambdaFunction:
    """The function; what wakes it is with the REST API."""
    return LambdaFunction(
        f"{PURPOSE}-lambda",
        LambdaFunctionArgs(
            place=parts.place,
            keys=parts.keys,
            packaging=parts.packaging,
            purpose=PURPOSE,
            description="Gives upload links and answers what became of files and transactions",
            timeout_seconds=TIMEOUT_SECONDS,
            variables={
                "UPLOADS_BUCKET": parts.storage.uploads.name,
                "REPORTS_BUCKET": parts.storage.reports.name,
                "RECEIPT_KEY_SECRET": parts.receipt_key.secret.arn,
                **parts.tables_of("UPLOADS_TABLE", "TRANSACTIONS_TABLE", "CLIENTS_TABLE"),
            },
            statements=statements(parts),
            depends_on=[parts.receipt_key.version],
        ),
        parts.place.child(parent),
    )


def statements(parts: Parts) -> list[Statement]:
    place, tables, storage = parts.place, parts.tables, parts.storage
    items = ["BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"]
    return [
        access.table("Uploads", items, tables.uploads.arn),
        access.queries_index("UploadsOfClient", tables.uploads.arn, "by_client"),
        access.table("Transactions", ["Query"], tables.in_use.arn),
        access.table("Clients", ["GetItem"], tables.clients.arn),
        # What a link lets its bearer do, its signer must be allowed to do.
        Statement("SignsUploads", ["s3:PutObject"], [storage.uploads.under(UPLOADS_PREFIX)]),
        Statement("SignsRejects", ["s3:GetObject"], [storage.reports.under(REJECTS_PREFIX)]),
        access.finds_what_is_missing("FindsNoRejects", storage.reports),
        access.reads_secret("ReceiptKey", parts.receipt_key.secret.arn),
        # It may write raw uploads and not read them.
        access.uses_key(place, "UploadsKey", parts.keys.uploads.arn, ["GenerateDataKey"], "s3"),
        access.uses_key(
            place, "DataKey", parts.keys.data.arn, ["Decrypt"], "dynamodb", "s3", "secretsmanager"
        ),
    ]
