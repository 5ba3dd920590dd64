"""What is looked at before anything is made: whether the account can reserve the concurrency.

Lambda keeps 100 of an account's concurrent executions unreserved, and refuses a reservation that
would leave less, half-way through a deployment. The account's limit can be asked for; what others
have reserved of it cannot be asked by Pulumi, so this sees what can never work, and README.md has
the command that sees the rest.
"""

import pulumi
from pulumi_aws import servicequotas

# Service Quotas' code of Lambda's concurrent executions.
QUOTA_CODE = "L-B99A9384"
UNRESERVED_MIN = 100


def check_concurrency(reserved: int) -> None:
    """Stops a deployment that Lambda would refuse; a limit that may not be read is no fault."""
    try:
        quota = servicequotas.get_service_quota(service_code="lambda", quota_code=QUOTA_CODE)
    except Exception as error:  # whatever the provider raises: the look is only advice
        pulumi.log.warn(
            f"the limit of concurrent Lambda executions could not be read ({error}): if reserving "
            "concurrency is refused, `pulumi config set reserved_concurrency false`"
        )
        return
    message = shortfall(int(quota.value), reserved)
    if message is not None:
        raise RuntimeError(message)


def shortfall(limit: int, reserved: int) -> str | None:
    """Why so much cannot be reserved of an account's limit; None if it can."""
    left = limit - reserved
    if left >= UNRESERVED_MIN:
        return None
    return (
        f"the account may run {limit} Lambda executions at a time; reserving {reserved} would "
        f"leave {left}, and Lambda keeps {UNRESERVED_MIN} unreserved. Either ask for more in "
        "Service Quotas (Lambda, concurrent executions), or deploy without reservations: "
        "`pulumi config set reserved_concurrency false`"
    )
