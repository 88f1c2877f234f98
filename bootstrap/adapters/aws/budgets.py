"""Whether an account has a budget of ours.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_budgets_DescribeBudget.html
"""

from __future__ import annotations

from bootstrap.adapters.aws.session import Aws, explained
from bootstrap.errors import BootstrapError


def exists(aws: Aws, account: str, name: str, tags: dict[str, str]) -> bool:
    """Tell whether the budget `name` is there. Raises AwsFailed, or BootstrapError if it counts by other tags."""
    client = aws.client("budgets")
    with explained(f"look for the budget {name} (budgets:ViewBudget)"):
        try:
            found = client.describe_budget(AccountId=account, BudgetName=name)["Budget"]
        except client.exceptions.NotFoundException:
            return False
    ours = {f"user:{key}${value}" for key, value in tags.items()}
    if set(found.get("CostFilters", {}).get("TagKeyValue", [])) != ours:
        raise BootstrapError(
            f"The account has a budget {name} that does not count this environment's tags. It was left alone.",
            hint="If nobody needs it, delete it in the billing console; else take `budget_usd` out of bootstrap.toml.",
        )
    return True
