"""Which kind of MLflow server an environment is to have, and whether what the file says of it will do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

from bootstrap.core.dagshub import Hub
from bootstrap.core.spec import FILE_NAME, DagshubMlflow, Ec2Mlflow
from bootstrap.errors import ConfigError, NotSupportedYet

if TYPE_CHECKING:
    from bootstrap.core.record import MlflowKind, Target
    from bootstrap.core.spec import Spec

_EXAMPLE = "203.0.113.7/32"
# What documents use: https://www.rfc-editor.org/rfc/rfc5737, https://www.rfc-editor.org/rfc/rfc3849
_EXAMPLES = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
OWN_ADDRESS = "curl https://checkip.amazonaws.com"


def kind_wanted(spec: Spec, env: str, target: Target) -> MlflowKind | Literal["ecs"]:
    """Return the kind that the file asks for. On AWS a machine is what somebody gets who asks for nothing."""
    table = spec.environment(env).mlflow
    if target == "local":
        return "none" if table is not None and table.kind == "none" else "laptop"
    return "ec2" if table is None else table.kind


def machine_wanted(spec: Spec, env: str) -> Ec2Mlflow:
    """Return the settings of an environment's machine, the defaults where none are written."""
    table = spec.environment(env).mlflow
    return table if isinstance(table, Ec2Mlflow) else Ec2Mlflow(kind="ec2")


def odd_networks(networks: Sequence[str]) -> dict[str, str]:
    """Return those of the networks (CIDR) that hardly say what their author meant, each with the reason."""
    found = {}
    for network in networks:
        parsed = ip_network(network)
        if parsed.prefixlen == 0:
            found[network] = "is the whole world: only the logins keep others out"
        elif any(parsed.version == one.version and parsed.subnet_of(one) for one in _EXAMPLES):  # type: ignore[arg-type]
            found[network] = "is from an example, and nobody's"
        elif not parsed.is_global:
            found[network] = "is an address inside some network; what AWS sees is the one you go out with"
    return found


def hub_wanted(spec: Spec, env: str) -> Hub | None:
    """Return the repository on DagsHub that the file names, if that is where MLflow is."""
    table = spec.environment(env).mlflow
    return Hub(table.url, table.repository) if isinstance(table, DagshubMlflow) else None


def require_usable(spec: Spec, env: str, target: Target) -> None:
    """Raise ConfigError for a machine that nobody could reach, NotSupportedYet for a kind of a later version."""
    kind = kind_wanted(spec, env, target)
    if kind == "ecs":
        where = spec.where("environments", env, "mlflow", "kind")
        raise NotSupportedYet(
            f'{where}: MLflow with kind = "ecs" is not supported yet.',
            hint='Write kind = "ec2" for one small machine, kind = "none" to do without MLflow, or rehearse on your '
            "laptop: add --local.",
        )
    if kind == "ec2" and not machine_wanted(spec, env).allowed_cidrs:
        where = spec.where("environments", env, "mlflow", "allowed_cidrs")
        raise ConfigError(
            f"{where}: MLflow of '{env}' gets a machine of its own, and nothing says who may reach it: "
            f"environments.{env}.mlflow.allowed_cidrs is missing.",
            hint=f"{_place(spec)} the networks that may open it, for instance the address that you have now "
            f"({OWN_ADDRESS}):\n\n[environments.{env}.mlflow]\n"
            f'kind = "ec2"\nallowed_cidrs = [{json.dumps(_EXAMPLE)}]\n\n'
            f'Or do without MLflow: kind = "none" in the same table.',
        )


def who_may_come_in(spec: Spec, env: str) -> str:
    """Return the hint for somebody whom the machine does not answer: whose addresses it lets in, and how to add one."""
    allowed = ", ".join(machine_wanted(spec, env).allowed_cidrs)
    where = spec.where("environments", env, "mlflow", "allowed_cidrs")
    return (
        f"It drops whoever is not in allowed_cidrs ({where}: {allowed or 'nobody'}). The address that you have now: "
        f"{OWN_ADDRESS}"
    )


def _place(spec: Spec) -> str:
    return "Write" if spec.source else f"Write a {FILE_NAME} (`bootstrap init` makes one) with"
