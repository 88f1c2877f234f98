"""The address of a machine of ours."""

from __future__ import annotations

from bootstrap.adapters.aws.session import Aws, explained


def elastic_ip(aws: Aws, project: str, env: str) -> str | None:
    """Return the Elastic IP that carries an environment's tags, None without one. Raises AwsFailed.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAddresses.html
    """
    filters = [
        {"Name": "tag:bootstrap:project", "Values": [project]},
        {"Name": "tag:bootstrap:env", "Values": [env]},
    ]
    with explained("look for the machine's address (ec2:DescribeAddresses)"):
        found = aws.client("ec2").describe_addresses(Filters=filters)["Addresses"]
    return str(found[0]["PublicIp"]) if found else None
