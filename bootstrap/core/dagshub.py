"""The addresses of a repository on DagsHub: its MLflow, its S3, and where a token of one's own is made.

https://dagshub.com/docs/integration_guide/mlflow_tracking/ and https://dagshub.com/docs/feature_guide/dagshub_storage/
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The token's variable, as DagsHub's own client has it.
TOKEN = "DAGSHUB_USER_TOKEN"  # noqa: S105 - the name, not the token
# The DVC remote's name, and the bucket that DagsHub has in every repository for DVC.
REMOTE, DVC_URL = "dagshub", "s3://dvc"

_TRACKING = re.compile(r"(https?://.+)/([^/]+/[^/]+)\.mlflow")


@dataclass(frozen=True)
class Hub:
    """One repository (`user/name`) on DagsHub, or on a server of that kind at another `url`."""

    url: str
    repository: str

    @property
    def tracking_uri(self) -> str:
        """Where its MLflow is."""
        return f"{self.url}/{self.repository}.mlflow"

    @property
    def s3_endpoint(self) -> str:
        """Where its S3 is, for `endpointurl` of a DVC remote."""
        return f"{self.url}/{self.repository}.s3"

    @property
    def token_page(self) -> str:
        """Where a person makes a token."""
        return f"{self.url}/user/settings/tokens"


def hub_of(tracking_uri: str | None) -> Hub | None:
    """Return the repository whose MLflow this address is; None for the address of a server of ours, or for none.

    An invite says no more than the address: no server of ours has a path behind its name.
    """
    found = _TRACKING.fullmatch(tracking_uri or "")
    return Hub(found[1], found[2]) if found else None
