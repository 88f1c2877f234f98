"""Who speaks to AWS, where AWS is, and what its refusals mean in words."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from bootstrap.errors import AwsFailed
from bootstrap.redact import redact

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled", "403"}
_BAD_KEY = {"InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure"}
# IAM takes a few calls a second and throttles whoever makes more, as bringing in a whole class does: this mode slows
# down to what is let through. https://docs.aws.amazon.com/boto3/latest/guide/retries.html
_PATIENT: Any = {"mode": "adaptive", "max_attempts": 10}
_USUAL: Any = {"mode": "standard", "max_attempts": 5}
_BRIEF: Any = {"mode": "standard", "max_attempts": 2}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}


@dataclass(frozen=True)
class KeyPair:
    """An access key. The secret never shows in a repr."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Caller:
    """Who AWS says we are: account id (12 digits) and ARN."""

    account: str
    arn: str


@dataclass(frozen=True)
class Aws:
    """One identity on one AWS. With `key` exactly that key is used, else the standard chain (or `profile`)."""

    region: str
    endpoint_url: str | None = None
    profile: str | None = None
    key: KeyPair | None = None
    _clients: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @cached_property
    def _session(self) -> Any:
        import boto3
        import botocore.session
        from botocore.exceptions import ProfileNotFound

        try:
            if self.key is not None:
                # Without its variables for a profile: boto3 looks for what AWS_PROFILE names even if it has a key.
                profileless = botocore.session.Session(session_vars={"profile": (None, [], None, None)})
                profileless.register_component("data_loader", _loader())
                _read_times_quickly(profileless)
                return boto3.Session(
                    botocore_session=profileless,
                    aws_access_key_id=self.key.id,
                    aws_secret_access_key=self.key.secret,
                    region_name=self.region,
                )
            usual = botocore.session.Session()
            _read_times_quickly(usual)
            return boto3.Session(botocore_session=usual, profile_name=self.profile, region_name=self.region)
        except ProfileNotFound as error:
            raise AwsFailed(
                f"There is no AWS profile '{self.profile}' in your AWS configuration." if self.profile else f"{error}.",
                hint="`aws configure list-profiles` shows those there are. Name one with --profile.",
            ) from error

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service; one client may be used from several threads."""
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                config = Config(
                    connect_timeout=5,
                    read_timeout=60,
                    retries=self._retries(service),
                    # A proxy of the user's is for the world outside, not for this machine.
                    proxies={} if self.endpoint_url else None,
                )
                with explained(f"open {service}"):
                    made = self._session.client(service, endpoint_url=self.endpoint_url, config=config)
                # botocore makes the classes of a client's errors when somebody first asks for them. Two threads that
                # ask at once get a set each, and what the one means to catch is not what is raised.
                made.exceptions  # noqa: B018 - asking is all there is to do
                self._clients[service] = made
            return self._clients[service]

    def _retries(self, service: str) -> Any:
        if self.endpoint_url is not None:
            return _BRIEF
        return _PATIENT if service == "iam" else _USUAL

    def caller(self) -> Caller:
        """Ask AWS who we are. Raises AwsFailed."""
        with explained("find out who you are (sts:GetCallerIdentity)"):
            answer = self.client("sts").get_caller_identity()
        return Caller(account=str(answer["Account"]), arn=str(answer["Arn"]))

    def credentials_source(self) -> str | None:
        """Return in botocore's word where the credentials come from, None if there are none. Asks nobody on a network
        but the machine's own metadata service."""
        found = self._session.get_credentials()
        return str(found.method) if found is not None else None

    def configured_region(self) -> str | None:
        """Return the region that the profile names, which we do not go by; None if it names none."""
        import botocore.session

        found = botocore.session.Session(profile=self.profile).get_scoped_config().get("region")
        return str(found) if found else None

    def with_key(self, key: KeyPair) -> Aws:
        """Return the same AWS as seen by somebody else."""
        return Aws(region=self.region, endpoint_url=self.endpoint_url, key=key)

    def credentials_environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which another program becomes this identity, given the user's environment.

        A named profile wins over key variables here, as `--profile` says; programs would do the opposite.
        """
        env = {"AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region}
        if self.endpoint_url:
            env |= {"AWS_ENDPOINT_URL": self.endpoint_url, "AWS_EC2_METADATA_DISABLED": "true"}
            local = "127.0.0.1,localhost"
            env["NO_PROXY"] = env["no_proxy"] = ",".join(filter(None, [environ.get("NO_PROXY"), local]))
        if self.key is not None:
            env |= {"AWS_ACCESS_KEY_ID": self.key.id, "AWS_SECRET_ACCESS_KEY": self.key.secret}
        elif self.profile:
            env["AWS_PROFILE"] = self.profile
        return env

    def displaced_variables(self) -> tuple[str, ...]:
        """Return the variables that must not reach another program, or it would be somebody else, somewhere else."""
        names: tuple[str, ...] = ()
        if self.key is not None:
            names += ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
            names += ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE")
            names += ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS")
            names += ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",)
        elif self.profile:
            names += ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        return names


@cache
def _loader() -> Any:
    """Return what reads botocore's descriptions of services, one for everybody: it keeps what it has read."""
    import botocore.loaders

    return botocore.loaders.create_loader()


def _read_times_quickly(session: Any) -> None:
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)


def _moment(text: Any) -> datetime:
    """Read a time as AWS writes it. botocore's own way takes most of the time that a list of versions takes."""
    from botocore.utils import parse_timestamp

    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, TypeError, ValueError):
        moment = None
    # It takes what has no zone for UTC, and knows other ways to write a time.
    return moment if moment is not None and moment.tzinfo is not None else parse_timestamp(text)


def warm_up() -> None:
    """Import what costs half a second, while something else is being waited for."""
    import boto3  # noqa: F401
    import botocore.config  # noqa: F401


def error_code(error: BaseException | None) -> str:
    """Return AWS's code of a refused call (`AccessDenied`, `NoSuchBucket`, …), or an empty text."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def is_denied(error: Exception) -> bool:
    """Tell whether AWS refused for lack of permission."""
    return error_code(error) in _DENIED


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what boto3 raises while we try to `what` into AwsFailed, with the next step to take."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        EndpointConnectionError,
        NoCredentialsError,
        PartialCredentialsError,
    )
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AwsFailed(
            "There are no AWS credentials on this machine for the `aws` target.",
            hint="Sign in (`aws configure` or `aws sso login`) and name the profile with --profile. "
            "Without any account: `bootstrap up --env NAME --local` rehearses on this laptop.",
        ) from error
    except EndpointConnectionError as error:
        raise AwsFailed(
            f"Could not {what}: {redact(str(error))}", hint="Check your network, then try again."
        ) from error
    except ClientError as error:
        code = error_code(error)
        if code in _EXPIRED:
            hint = "Your AWS session has expired: sign in again, for instance with `aws sso login`."
        elif code in _BAD_KEY:
            hint = "AWS does not know this access key: sign in again, or name another profile with --profile."
        elif code in _DENIED:
            hint = (
                f"Your identity lacks the permission for {error.operation_name}. If you administer this: "
                "`bootstrap doctor` lists all that are missing."
            )
        else:
            hint = "Try the same command again; it goes on where it stopped."
        raise AwsFailed(f"Could not {what}: {redact(str(error))}", hint=hint) from error
    except BotoCoreError as error:
        raise AwsFailed(f"Could not {what}: {redact(str(error))}", hint="Check your AWS configuration.") from error
    except ResponseParserError as error:
        # It quotes what it got, whatever that may be.
        raise AwsFailed(
            f"Could not {what}: what answered there is not AWS.",
            hint="Look which program listens at AWS_ENDPOINT_URL, or at the endpoint_url of your profile.",
        ) from error
