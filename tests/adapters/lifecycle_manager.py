"""What stands in for Data Lifecycle Manager, which moto does not have: it keeps policies, and makes no snapshots.

It answers two calls, with the keys that AWS's answers have:
https://docs.aws.amazon.com/dlm/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError


class LifecycleManager:
    """The policies of an account: region → id → tags."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, dict[str, str]]] = {}

    def add(self, region: str, tags: dict[str, str]) -> str:
        here = self.policies.setdefault(region, {})
        name = f"policy-{len(here) + 1:017x}"
        here[name] = tags
        return name

    def serve(self, client: Any) -> None:
        """Answer a client's calls from now on."""
        here = self.policies.setdefault(client.meta.region_name, {})

        def listed(**_: object) -> tuple[Any, dict[str, Any]]:
            found = [
                {"PolicyId": name, "Description": "Daily", "State": "ENABLED", "Tags": tags}
                for name, tags in here.items()
            ]
            return SimpleNamespace(status_code=200), {"Policies": found}

        def deleted(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]]:
            if here.pop(params["url_path"].rpartition("/")[2], None) is None:
                raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "DeleteLifecyclePolicy")
            return SimpleNamespace(status_code=200), {}

        client.meta.events.register_last("before-call.dlm.GetLifecyclePolicies", listed, unique_id="listed")
        client.meta.events.register_last("before-call.dlm.DeleteLifecyclePolicy", deleted, unique_id="deleted")
