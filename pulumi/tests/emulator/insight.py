"""Logs, dashboards, alarms, and the analysts' table."""

import json

from .aws import ACCOUNT, Aws, Inputs, Made, pascal, tag_list


def log_group(aws: Aws, _: str, given: Inputs) -> Made:
    logs, name = aws.client("logs"), given["name"]
    logs.create_log_group(logGroupName=name, kmsKeyId=given["kmsKeyId"], tags=given["tags"])
    logs.put_retention_policy(logGroupName=name, retentionInDays=int(given["retentionInDays"]))
    return Made(name, {"arn": aws.arn("logs", f"log-group:{name}")})


def dashboard(aws: Aws, _: str, given: Inputs) -> Made:
    name = given["dashboardName"]
    json.loads(given["dashboardBody"])
    answer = aws.client("cloudwatch").put_dashboard(
        DashboardName=name, DashboardBody=given["dashboardBody"]
    )
    if answer.get("DashboardValidationMessages"):
        raise ValueError(f"{name}: {answer['DashboardValidationMessages']}")
    return Made(name, {"dashboardArn": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"})


def alarm(aws: Aws, _: str, given: Inputs) -> Made:
    name = given["name"]
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        AlarmDescription=given["alarmDescription"],
        **looked_at(given),
        EvaluationPeriods=int(given["evaluationPeriods"]),
        DatapointsToAlarm=int(given["datapointsToAlarm"]),
        Threshold=float(given["threshold"]),
        ComparisonOperator=given["comparisonOperator"],
        TreatMissingData=given["treatMissingData"],
        AlarmActions=given.get("alarmActions", []),
        OKActions=given.get("okActions", []),
        Tags=tag_list(given),
    )
    return Made(name, {"arn": aws.arn("cloudwatch", f"alarm:{name}")})


def looked_at(given: Inputs) -> dict[str, object]:
    """One metric, or the expression and its inputs."""
    queries = given.get("metricQueries")
    if queries is not None:
        return {"Metrics": [query(one) for one in queries]}
    return {
        "Namespace": given["namespace"],
        "MetricName": given["metricName"],
        "Dimensions": dimensions(given),
        "Statistic": given["statistic"],
        "Period": int(given["period"]),
    }


def query(one: Inputs) -> dict[str, object]:
    if "expression" in one:
        return {
            "Id": one["id"],
            "Expression": one["expression"],
            "Label": one["label"],
            "ReturnData": one["returnData"],
        }
    metric = one["metric"]
    return {
        "Id": one["id"],
        "ReturnData": one["returnData"],
        "MetricStat": {
            "Metric": {
                "Namespace": metric["namespace"],
                "MetricName": metric["metricName"],
                "Dimensions": dimensions(metric),
            },
            "Period": int(metric["period"]),
            "Stat": metric["stat"],
        },
    }


def dimensions(given: Inputs) -> list[dict[str, str]]:
    return [{"Name": key, "Value": value} for key, value in given.get("dimensions", {}).items()]


def saved_query(_: Aws, __: str, given: Inputs) -> Made:
    """This emulator has no saved queries; the rules look at what they ask."""
    return Made(f"query-{given['name']}")


def composite(aws: Aws, _: str, given: Inputs) -> Made:
    name = given["alarmName"]
    aws.client("cloudwatch").put_composite_alarm(
        AlarmName=name,
        AlarmDescription=given["alarmDescription"],
        AlarmRule=given["alarmRule"],
        AlarmActions=given.get("alarmActions", []),
        OKActions=given.get("okActions", []),
        Tags=tag_list(given),
    )
    return Made(name, {"arn": aws.arn("cloudwatch", f"alarm:{name}")})


def database(aws: Aws, _: str, given: Inputs) -> Made:
    name = given["name"]
    aws.client("glue").create_database(
        DatabaseInput={"Name": name, "Description": given["description"]}, Tags=given["tags"]
    )
    return Made(f"{ACCOUNT}:{name}", {"arn": aws.arn("glue", f"database/{name}")})


def table(aws: Aws, _: str, given: Inputs) -> Made:
    described = given["storageDescriptor"]
    serde = described["serDeInfo"]
    aws.client("glue").create_table(
        DatabaseName=given["databaseName"],
        TableInput={
            "Name": given["name"],
            "Description": given["description"],
            "TableType": given["tableType"],
            "PartitionKeys": pascal(given["partitionKeys"]),
            "Parameters": given["parameters"],
            "StorageDescriptor": {
                "Location": described["location"],
                "InputFormat": described["inputFormat"],
                "OutputFormat": described["outputFormat"],
                "Compressed": described["compressed"],
                "Columns": pascal(described["columns"]),
                "SerdeInfo": {
                    "SerializationLibrary": serde["serializationLibrary"],
                    "Parameters": serde["parameters"],
                },
            },
        },
    )
    name = f"{given['databaseName']}/{given['name']}"
    return Made(f"{ACCOUNT}:{name}", {"arn": aws.arn("glue", f"table/{name}")})


def workgroup(aws: Aws, _: str, given: Inputs) -> Made:
    settings = given["configuration"]
    results = settings["resultConfiguration"]
    encryption = results["encryptionConfiguration"]
    aws.client("athena").create_work_group(
        Name=given["name"],
        Description=given["description"],
        Configuration={
            "EnforceWorkGroupConfiguration": settings["enforceWorkgroupConfiguration"],
            "PublishCloudWatchMetricsEnabled": settings["publishCloudwatchMetricsEnabled"],
            "BytesScannedCutoffPerQuery": int(settings["bytesScannedCutoffPerQuery"]),
            "ResultConfiguration": {
                "OutputLocation": results["outputLocation"],
                "ExpectedBucketOwner": results["expectedBucketOwner"],
                "EncryptionConfiguration": {
                    "EncryptionOption": encryption["encryptionOption"],
                    "KmsKey": encryption["kmsKeyArn"],
                },
            },
        },
        Tags=tag_list(given),
    )
    return Made(given["name"], {"arn": aws.arn("athena", f"workgroup/{given['name']}")})


def named_query(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("athena").create_named_query(
        Name=given["name"],
        Description=given["description"],
        Database=given["database"],
        QueryString=given["query"],
        WorkGroup=given["workgroup"],
    )
    return Made(made["NamedQueryId"])


HANDLERS = {
    "cloudwatch.LogGroup": log_group,
    "cloudwatch.Dashboard": dashboard,
    "cloudwatch.MetricAlarm": alarm,
    "cloudwatch.CompositeAlarm": composite,
    "cloudwatch.QueryDefinition": saved_query,
    "glue.CatalogDatabase": database,
    "glue.CatalogTable": table,
    "athena.Workgroup": workgroup,
    "athena.NamedQuery": named_query,
}
