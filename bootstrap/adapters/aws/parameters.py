"""Parameters in SSM's store: what a machine leaves there for its operator."""

from __future__ import annotations

from bootstrap.adapters.aws.session import Aws, error_code, explained, is_denied
from bootstrap.errors import AwsFailed


def read_secret(aws: Aws, name: str) -> str | None:
    """Return a SecureString in clear, for memory alone; None if there is no such parameter. Raises AwsFailed.

    https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html - decryption with the key
    that AWS manages for SSM needs no permission of its own, with a key of one's own kms:Decrypt.
    """
    from botocore.exceptions import ClientError

    with explained(f"read the parameter {name} (ssm:GetParameter)"):
        try:
            answer = aws.client("ssm").get_parameter(Name=name, WithDecryption=True)
        except ClientError as error:
            if error_code(error) == "ParameterNotFound":
                return None
            if is_denied(error):
                raise AwsFailed(
                    f"You may not read the parameter {name}, which holds the password of MLflow's administrator.",
                    hint=f"Your identity lacks ssm:GetParameter on arn:aws:ssm:{aws.region}:*:parameter{name}. "
                    "Use one that has it, or ask the account's administrator for it.",
                ) from error
            raise
    return str(answer["Parameter"]["Value"])
