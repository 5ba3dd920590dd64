"""Roles, policies, keys, secrets."""

from .aws import Aws, Inputs, Made, tag_list
from .policies import role_for_emulator


def role(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("iam").create_role(
        RoleName=given["name"],
        AssumeRolePolicyDocument=given["assumeRolePolicy"],
        Tags=tag_list(given),
    )["Role"]
    return Made(given["name"], {"arn": made["Arn"], "uniqueId": made["RoleId"]})


def role_policy(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("iam").put_role_policy(
        RoleName=given["role"],
        PolicyName=given["name"],
        PolicyDocument=role_for_emulator(given["policy"]),
    )
    return Made(f"{given['role']}:{given['name']}")


def attachment(aws: Aws, name: str, given: Inputs) -> Made:
    aws.client("iam").attach_role_policy(RoleName=given["role"], PolicyArn=given["policyArn"])
    return Made(name)


def policy(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("iam").create_policy(
        PolicyName=given["name"], PolicyDocument=given["policy"], Tags=tag_list(given)
    )["Policy"]
    return Made(made["Arn"], {"arn": made["Arn"]})


def key(aws: Aws, _: str, given: Inputs) -> Made:
    kms = aws.client("kms")
    tags = [{"TagKey": name, "TagValue": value} for name, value in given["tags"].items()]
    made = kms.create_key(Description=given["description"], Policy=given["policy"], Tags=tags)[
        "KeyMetadata"
    ]
    if given["enableKeyRotation"]:
        kms.enable_key_rotation(KeyId=made["KeyId"])
    return Made(made["KeyId"], {"arn": made["Arn"], "keyId": made["KeyId"]})


def alias(aws: Aws, _: str, given: Inputs) -> Made:
    aws.client("kms").create_alias(AliasName=given["name"], TargetKeyId=given["targetKeyId"])
    return Made(given["name"])


def secret(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("secretsmanager").create_secret(
        Name=given["name"],
        Description=given["description"],
        KmsKeyId=given["kmsKeyId"],
        Tags=tag_list(given),
    )
    return Made(made["ARN"], {"arn": made["ARN"]})


def secret_version(aws: Aws, _: str, given: Inputs) -> Made:
    made = aws.client("secretsmanager").put_secret_value(
        SecretId=given["secretId"], SecretString=given["secretString"]
    )
    return Made(f"{given['secretId']}|{made['VersionId']}", {"versionId": made["VersionId"]})


HANDLERS = {
    "iam.Role": role,
    "iam.RolePolicy": role_policy,
    "iam.RolePolicyAttachment": attachment,
    "iam.Policy": policy,
    "kms.Key": key,
    "kms.Alias": alias,
    "secretsmanager.Secret": secret,
    "secretsmanager.SecretVersion": secret_version,
}
