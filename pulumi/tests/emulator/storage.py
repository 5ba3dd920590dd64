"""Buckets and objects."""

import json

from .aws import Aws, Inputs, Made, pascal, tag_list
from .checks import needs_permission
from .policies import for_emulator


def bucket(aws: Aws, _: str, given: Inputs) -> Made:
    name, s3 = given["bucket"], aws.client("s3")
    # The oldest region is the one that must not be named.
    place = {} if aws.region == "us-east-1" else {"LocationConstraint": aws.region}
    s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(given)})
    return Made(name, {"arn": f"arn:aws:s3:::{name}", "region": aws.region})


def versioning(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("s3").put_bucket_versioning(
        Bucket=given["bucket"],
        VersioningConfiguration=pascal(given["versioningConfiguration"]),
    )
    return Made(given["bucket"])


def ownership(aws: Aws, _: str, given: Inputs) -> Made:
    rules = {"Rules": [pascal(given["rule"])]}
    aws.client("s3").put_bucket_ownership_controls(Bucket=given["bucket"], OwnershipControls=rules)
    return Made(given["bucket"])


def public_access(aws: Aws, _: str, given: Inputs) -> Made:
    settings = {key: value for key, value in given.items() if isinstance(value, bool)}
    aws.client("s3").put_public_access_block(
        Bucket=given["bucket"], PublicAccessBlockConfiguration=pascal(settings)
    )
    return Made(given["bucket"])


def encryption(aws: Aws, _: str, given: Inputs) -> Made:
    rules = [
        {
            "ApplyServerSideEncryptionByDefault": {
                "SSEAlgorithm": rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"],
                "KMSMasterKeyID": rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"],
            },
            "BucketKeyEnabled": rule["bucketKeyEnabled"],
        }
        for rule in given["rules"]
    ]
    aws.client("s3").put_bucket_encryption(
        Bucket=given["bucket"], ServerSideEncryptionConfiguration={"Rules": rules}
    )
    return Made(given["bucket"])


def lifecycle(aws: Aws, _: str, given: Inputs) -> Made:
    rules = [{"ID": rule["id"], **pascal({**rule, "id": None})} for rule in given["rules"]]
    for rule in rules:
        del rule["Id"]
    aws.client("s3").put_bucket_lifecycle_configuration(
        Bucket=given["bucket"], LifecycleConfiguration={"Rules": rules}
    )
    return Made(given["bucket"])


def policy(aws: Aws, _: str, given: Inputs) -> Made:
    document = for_emulator(given["policy"])
    s3 = aws.client("s3")
    if json.loads(document)["Statement"]:
        s3.put_bucket_policy(Bucket=given["bucket"], Policy=document)
    return Made(given["bucket"])


def cors(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("s3").put_bucket_cors(
        Bucket=given["bucket"], CORSConfiguration={"CORSRules": pascal(given["corsRules"])}
    )
    return Made(given["bucket"])


def object_(aws: Aws, _: str, given: Inputs) -> Made:
    answer = aws.client("s3").put_object(
        Bucket=given["bucket"],
        Key=given["key"],
        Body=given["content"].encode(),
        ContentType=given["contentType"],
    )
    return Made(given["key"], {"versionId": answer["VersionId"]})


def notification(aws: Aws, _: str, given: Inputs) -> Made:
    wakes = []
    for function in given["lambdaFunctions"]:
        arn = function["lambdaFunctionArn"]
        needs_permission(aws, arn, "s3.amazonaws.com", f"arn:aws:s3:::{given['bucket']}")
        rules = [
            {"Name": "prefix", "Value": function["filterPrefix"]},
            {"Name": "suffix", "Value": function["filterSuffix"]},
        ]
        wakes.append(
            {
                "Id": function["id"],
                "LambdaFunctionArn": arn,
                "Events": function["events"],
                "Filter": {"Key": {"FilterRules": rules}},
            }
        )
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=given["bucket"],
        NotificationConfiguration={"LambdaFunctionConfigurations": wakes},
    )
    return Made(given["bucket"])


HANDLERS = {
    "s3.Bucket": bucket,
    "s3.BucketVersioning": versioning,
    "s3.BucketOwnershipControls": ownership,
    "s3.BucketPublicAccessBlock": public_access,
    "s3.BucketServerSideEncryptionConfiguration": encryption,
    "s3.BucketLifecycleConfiguration": lifecycle,
    "s3.BucketPolicy": policy,
    "s3.BucketCorsConfiguration": cors,
    "s3.BucketObject": object_,
    "s3.BucketNotification": notification,
}
