"""The deployment: reads the configuration, composes the stack, exports what people ask for."""

import pulumi

from transaction_processor import TapStack, read_config

stack = TapStack("transaction-processor", read_config(pulumi.Config()))

pulumi.export("bucket_name", stack.storage.uploads.name)
pulumi.export("archive_bucket", stack.storage.archive.name)
pulumi.export("reports_bucket", stack.storage.reports.name)
pulumi.export("rules_object", stack.storage.rules_object)
pulumi.export("dynamodb_table_name", stack.tables.transactions.name)
pulumi.export("tables", stack.tables.names)
pulumi.export("stream_name", stack.stream.stream.name)
pulumi.export("sns_topic_arn", stack.alerts.topic.arn)
pulumi.export("api_endpoint", stack.api.endpoint)
pulumi.export("api_key_id", stack.clients.first_key_id)
pulumi.export("api_key_ids", stack.clients.key_ids)
pulumi.export("functions", stack.functions.names)
pulumi.export("failure_queues", stack.functions.failure_queues)
pulumi.export("analyst_policy_arn", stack.analytics.policy.arn)
pulumi.export("athena_workgroup", stack.analytics.workgroup.name)
pulumi.export("dashboard_urls", stack.observability.dashboard_urls)
pulumi.export("alarm_names", stack.observability.alarm_names)
