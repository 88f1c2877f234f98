"""Who may do what, as data: the specification of least privilege, and its cells, role by place by action.

The proof (workflows/access) tries these cells, AWS's simulator answers them, and a test asks them of an independent
evaluator with the policies that Terraform renders. A place that stands in no row of `TABLE` is nobody's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, timezone
from typing import Literal

Role = Literal["student", "instructor", "ci"]
ROLES: tuple[Role, ...] = ("student", "instructor", "ci")

NOTHING: frozenset[str] = frozenset()
READ = frozenset({"list", "read"})
WRITE = READ | {"write"}
ALL = WRITE | {"delete"}

OWN_TEAM, OTHER_TEAM = "dvc/<own team>/", "dvc/<other team>/"
OWN, OTHERS = "members/<own>/", "members/<other>/"

# What each role may do below each place of the bucket.
TABLE: Mapping[str, Mapping[Role, frozenset[str]]] = {
    "dataset/": {"student": READ, "instructor": ALL, "ci": READ},
    OWN_TEAM: {"student": WRITE, "instructor": ALL, "ci": WRITE},
    OTHER_TEAM: {"student": NOTHING, "instructor": ALL, "ci": WRITE},
    OWN: {"student": ALL, "instructor": ALL, "ci": NOTHING},
    OTHERS: {"student": NOTHING, "instructor": READ, "ci": NOTHING},
    "mlflow/": {"student": NOTHING, "instructor": NOTHING, "ci": NOTHING},
}
# What each role may do in IAM: of users, and of their keys.
IAM: Mapping[Role, frozenset[str]] = {
    "student": frozenset({"read own user", "list own keys"}),
    "instructor": frozenset({"read own user", "read other users", "list users here"}),
    "ci": NOTHING,
}

# What nobody may do, whatever the role: each would lead to more than the table gives.
READ_SETTINGS = (
    *("s3:GetBucketPolicy", "s3:GetBucketAcl", "s3:GetBucketVersioning", "s3:GetBucketTagging"),
    *("s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetBucketPublicAccessBlock"),
    *("s3:GetBucketLogging", "s3:GetBucketNotification", "s3:GetReplicationConfiguration"),
)
CHANGE_SETTINGS = (
    *("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutBucketAcl", "s3:PutBucketVersioning"),
    *("s3:PutBucketTagging", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration"),
    *("s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls", "s3:PutReplicationConfiguration"),
    *("s3:PutBucketNotification", "s3:PutBucketLogging", "s3:PutBucketCORS", "s3:PutBucketWebsite"),
    *("s3:PutInventoryConfiguration", "s3:PutBucketObjectLockConfiguration"),
)
OPEN_OBJECTS = (
    *("s3:PutObjectAcl", "s3:PutObjectVersionAcl", "s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    *("s3:PutObjectTagging", "s3:PutObjectRetention", "s3:PutObjectLegalHold", "s3:BypassGovernanceRetention"),
    *("s3:RestoreObject", "s3:ListMultipartUploadParts"),
)
CHANGE_USERS = (
    *("iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey", "iam:CreateLoginProfile"),
    *("iam:UpdateLoginProfile", "iam:CreateServiceSpecificCredential", "iam:UploadSSHPublicKey"),
    *("iam:UploadSigningCertificate", "iam:DeactivateMFADevice", "iam:CreateUser", "iam:UpdateUser"),
    *("iam:DeleteUser", "iam:TagUser", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:AttachUserPolicy"),
    *("iam:DetachUserPolicy", "iam:PutUserPermissionsBoundary", "iam:DeleteUserPermissionsBoundary"),
)
CHANGE_GROUPS = (*("iam:CreateGroup", "iam:AddUserToGroup", "iam:PutGroupPolicy", "iam:AttachGroupPolicy"),)
CHANGE_POLICIES = (*("iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy"),)
USE_ROLES = (
    *("sts:AssumeRole", "iam:PassRole", "iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy"),
    *("iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"),
)
USE_ACCOUNT = (
    *("s3:CreateBucket", "s3:PutAccountPublicAccessBlock", "sts:GetFederationToken"),
    *("iam:ListRoles", "iam:ListPolicies", "iam:GetAccountAuthorizationDetails", "iam:CreateOpenIDConnectProvider"),
    *("ec2:RunInstances", "lambda:CreateFunction", "cloudformation:CreateStack", "organizations:LeaveOrganization"),
)

# Why an emulator such as moto has nothing to say about a cell.
_CONDITION = "an emulator takes every condition as met"
_COPY = "an emulator does not look at the source of a copy"
_IAM = "an emulator refuses members all of IAM"
# Why a cell is never tried.
_NO_BUCKET = "there is no other bucket to try it on"
_NOT_HARMLESS = "it would do harm if it were allowed"
_IN_CLEAR = "it would send a request in the clear"
_NO_CLOCK = "that day has not come"

Attempt = Literal[
    "list",
    "read",
    "copy",
    "write",
    "abort",
    "delete",
    "read version",
    "delete version",
    "list versions",
    "list uploads",
    "read region",
    "read settings",
    "change settings",
    "delete bucket",
    "list buckets",
    "read user",
    "list keys",
    "list users",
    "never",
]


@dataclass(frozen=True)
class Person:
    """Somebody in the environment: name (the folder below members/), team (the folder below dvc/), IAM user name."""

    name: str
    team: str
    user: str


@dataclass(frozen=True)
class Ground:
    """What the environment's ARNs are made of. `path` is the IAM path of its users, /<project>/<env>/."""

    partition: str
    account: str
    path: str
    bucket: str
    state_bucket: str

    @staticmethod
    def of(arn: str, bucket: str, state_bucket: str) -> Ground:
        """Work it out from the ARN of one of the environment's users, `arn:aws:iam::<account>:user/<path>/<name>`.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
        """
        _, partition, _, _, account, resource = arn.split(":", 5)
        path = resource.removeprefix("user").rpartition("/")[0] + "/"
        return Ground(partition, account, path, bucket, state_bucket)

    @property
    def env(self) -> str:
        """The environment's name."""
        return self.path.strip("/").rpartition("/")[2]

    def object(self, key: str, bucket: str = "") -> str:
        """Return the ARN of an object, by default in the environment's bucket."""
        return f"{self.in_s3(bucket or self.bucket)}/{key}"

    def in_s3(self, bucket: str) -> str:
        """Return the ARN of a bucket."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def user(self, name: str) -> str:
        """Return the ARN of one of the environment's users; without a name, what IAM asks for a list of all of them."""
        return f"arn:{self.partition}:iam::{self.account}:user{self.path}{name}"

    def in_iam(self, resource: str) -> str:
        """Return the ARN of anything else in IAM."""
        return f"arn:{self.partition}:iam::{self.account}:{resource}"


@dataclass(frozen=True)
class Ask:
    """One question for IAM: may somebody do `action` on the resource `arn`, in a request with this context?"""

    action: str
    arn: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix: a place, an action there, and whether it should be allowed.

    `asks` is what it comes down to in IAM: all of them have to be allowed for the action, or (`any_of`) one is enough.
    `attempt` says how it is tried for real, with `bucket` and `key` (a prefix, a user or a path, as it needs). Whoever
    cannot judge it has a reason: `emulator`, `simulator`, and `untried` for a real try anywhere.
    """

    place: str
    action: str
    allowed: bool
    asks: tuple[Ask, ...]
    any_of: bool = False
    attempt: Attempt = "never"
    bucket: str = ""
    key: str = ""
    emulator: str = ""
    simulator: str = ""
    untried: str = ""


def cells(
    role: Role,
    own: Person,
    other: Person,
    ground: Ground,
    *,
    probe: str = "file",
    dvc_delete: bool = False,
    expires: date | None = None,
    expired: bool = False,
) -> list[Cell]:
    """Return the whole matrix of one person, in the order in which it is shown.

    `other`: somebody of another team, whose places the person should not reach. `probe`: the name of the file that
    stands for all others in a place. `expired`: their last day is over, so that nothing at all should be allowed.
    """
    matrix = _Matrix(role, own, other, ground, probe, dvc_delete)
    found = [
        *matrix.in_places(),
        *matrix.listings(),
        *matrix.of_the_bucket(),
        *matrix.elsewhere(),
        *matrix.in_iam(),
        *matrix.never(),
        *matrix.without_tls(),
    ]
    if expired:
        return [_closed(cell) for cell in found]
    return [*found, *(matrix.around(expires) if expires else ())]


def _closed(cell: Cell) -> Cell:
    """Return a cell as it should be once somebody's last day is over."""
    if not cell.allowed:
        return cell
    return replace(cell, allowed=False, emulator=_CONDITION)


class _Matrix:
    """Builds the cells of one person, place by place."""

    def __init__(self, role: Role, own: Person, other: Person, ground: Ground, probe: str, dvc_delete: bool) -> None:
        self.role, self.own, self.other, self.ground, self.probe = role, own, other, ground, probe
        self.places = {
            "dataset/": "dataset/",
            OWN_TEAM: f"dvc/{own.team}/",
            OTHER_TEAM: f"dvc/{other.team}/",
            OWN: f"members/{own.name}/",
            OTHERS: f"members/{other.name}/",
            "mlflow/": "mlflow/",
        }
        self.may = {self.places[row]: TABLE[row][role] for row in TABLE}
        if dvc_delete and role == "student":
            self.may[self.places[OWN_TEAM]] |= {"delete"}
        # Where this person can put a copy of what they can read elsewhere.
        self.home = self.places[OWN if "write" in TABLE[OWN][role] else OWN_TEAM] + probe

    def in_places(self) -> list[Cell]:
        """The table itself, and what is to be had by other ways: copies, uploads in parts, old versions."""
        found = []
        for place, may in self.may.items():
            found += [
                self._listing(place, "list", "list" in may, place),
                self._object(place, "read", "read" in may, "s3:GetObject"),
                self._copy(place, "read" in may),
                self._object(place, "write", "write" in may, "s3:PutObject"),
                self._object(place, "abort", "write" in may, "s3:AbortMultipartUpload", "abort an upload"),
                self._object(place, "delete", "delete" in may, "s3:DeleteObject"),
                self._object(place, "read version", False, "s3:GetObjectVersion", "read an old version"),
                self._object(place, "delete version", False, "s3:DeleteObjectVersion", "delete an old version"),
            ]
        return found

    def listings(self) -> list[Cell]:
        """Lists of more than one place: whoever may not enter all of it does not learn the names in it."""
        return [
            self._listing("the bucket", "list the top folders", True, "", delimiter="/"),
            self._listing("the bucket", "list everything", False, ""),
            self._listing("dvc/", "list", "list" in TABLE[OTHER_TEAM][self.role], "dvc/"),
            self._listing("members/", "list", "list" in TABLE[OTHERS][self.role], "members/"),
            self._versions(),
            self._bucket("list unfinished uploads", "list uploads", False, "s3:ListBucketMultipartUploads"),
        ]

    def of_the_bucket(self) -> list[Cell]:
        """The bucket as such."""
        return [
            self._bucket("read its region", "read region", True, "s3:GetBucketLocation"),
            self._bucket("read its settings", "read settings", False, *READ_SETTINGS),
            self._bucket("change its settings", "change settings", False, *CHANGE_SETTINGS),
            self._bucket("delete it", "delete bucket", False, "s3:DeleteBucket"),
        ]

    def elsewhere(self) -> list[Cell]:
        """Terraform's states, which hold secrets of their own, and everybody else's buckets."""
        ground, state = self.ground, self.ground.state_bucket
        key = f"{ground.env}/{self.probe}"
        tried: tuple[tuple[Attempt, str], ...] = (
            ("read", "s3:GetObject"),
            ("write", "s3:PutObject"),
            ("delete", "s3:DeleteObject"),
        )
        settings = (*READ_SETTINGS, *CHANGE_SETTINGS, "s3:DeleteBucket")
        foreign = f"{ground.bucket[:50]}-of-others"
        unknown = {
            "list": Ask("s3:ListBucket", ground.in_s3(foreign), (("s3:prefix", ""),)),
            **{action: Ask(asked, ground.object(self.probe, foreign)) for action, asked in tried},
        }
        return [
            self._listing("the state bucket", "list", False, "", bucket=state),
            *(
                Cell(
                    "the state bucket",
                    attempt,
                    False,
                    (Ask(asked, ground.object(key, state)),),
                    attempt=attempt,
                    bucket=state,
                    key=key,
                )
                for attempt, asked in tried
            ),
            Cell(
                "the state bucket",
                "see or change its settings, or delete it",
                False,
                tuple(Ask(asked, ground.in_s3(state)) for asked in settings),
                any_of=True,
                untried=_NOT_HARMLESS,
            ),
            *(Cell("any other bucket", action, False, (ask,), untried=_NO_BUCKET) for action, ask in unknown.items()),
            Cell("all buckets", "list", False, (Ask("s3:ListAllMyBuckets", "*"),), attempt="list buckets"),
        ]

    def in_iam(self) -> list[Cell]:
        """Users and keys."""
        may, ground = IAM[self.role], self.ground
        own, other = self.own.user, self.other.user
        elsewhere = ground.in_iam("user/elsewhere/prod/elsewhere.prod.ci")
        rows: tuple[tuple[str, str, str, Attempt, str, str, str], ...] = (
            ("own user", "read", "read own user", "read user", "iam:GetUser", ground.user(own), own),
            ("own keys", "list", "list own keys", "list keys", "iam:ListAccessKeys", ground.user(own), own),
            ("another's user", "read", "read other users", "read user", "iam:GetUser", ground.user(other), other),
            (
                "another's keys",
                "list",
                "list others' keys",
                "list keys",
                "iam:ListAccessKeys",
                ground.user(other),
                other,
            ),
            (
                "users elsewhere",
                "read",
                "read users elsewhere",
                "read user",
                "iam:GetUser",
                elsewhere,
                "elsewhere.prod.ci",
            ),
            ("users here", "list", "list users here", "list users", "iam:ListUsers", ground.user(""), ground.path),
            ("all users", "list", "list all users", "list users", "iam:ListUsers", ground.in_iam("user/"), "/"),
        )
        return [
            Cell(
                place,
                action,
                allowed=needed in may,
                asks=(Ask(asked, arn),),
                attempt=attempt,
                key=key,
                emulator=_IAM if needed in may else "",
                # IAM asks for user/<path>, and says so in its refusals; its simulator only knows `*` for this action.
                simulator="the simulator knows no paths" if asked == "iam:ListUsers" and needed in may else "",
            )
            for place, action, needed, attempt, asked, arn, key in rows
        ]

    def never(self) -> list[Cell]:
        """What would lead to more: each cell stands for a whole family of actions, none of which is allowed."""
        ground = self.ground
        mine = [ground.object(self.home), ground.object(f"{self.places[OTHERS]}{self.probe}")]
        users = [ground.user(self.own.user), ground.user(self.other.user)]
        families: tuple[tuple[str, str, tuple[str, ...], list[str]], ...] = (
            ("files", "open to others, tag or lock", OPEN_OBJECTS, mine),
            ("users", "create, change or give keys", CHANGE_USERS, users),
            ("groups", "create, join or change", CHANGE_GROUPS, [ground.in_iam("group/any")]),
            ("policies", "create or change", CHANGE_POLICIES, [ground.in_iam("policy/any")]),
            ("roles", "create, change, pass or take on", USE_ROLES, [ground.in_iam("role/any")]),
            ("the account", "use or look around in", USE_ACCOUNT, ["*"]),
        )
        return [
            Cell(
                place,
                action,
                allowed=False,
                asks=tuple(Ask(asked, arn) for asked in family for arn in arns),
                any_of=True,
                untried=_NOT_HARMLESS,
            )
            for place, action, family, arns in families
        ]

    def without_tls(self) -> list[Cell]:
        """What is otherwise allowed is refused over a line that others can read."""
        return [
            Cell(
                "without TLS",
                action,
                allowed=False,
                asks=(Ask(ask.action, ask.arn, (*ask.context, ("aws:SecureTransport", "false"))),),
                emulator=_CONDITION,
                untried=_IN_CLEAR,
            )
            for action, ask in self._usual()
        ]

    def around(self, expires: date) -> list[Cell]:
        """The last day of access, to its last second, and the first moment after it. All in UTC."""
        end = datetime.combine(expires + timedelta(days=1), time(), timezone.utc)
        found = []
        for place, moment, allowed in (("on the last day", end - timedelta(seconds=1), True), ("after it", end, False)):
            stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            found += [
                Cell(
                    place,
                    action,
                    allowed=allowed,
                    asks=(Ask(ask.action, ask.arn, (*ask.context, ("aws:CurrentTime", stamp))),),
                    emulator=_CONDITION,
                    untried=_NO_CLOCK,
                )
                for action, ask in self._usual()
            ]
        return found

    def _usual(self) -> list[tuple[str, Ask]]:
        """What every role may do on an ordinary day: action → what IAM is asked."""
        ground = self.ground
        found = [
            ("list", Ask("s3:ListBucket", ground.in_s3(ground.bucket), (("s3:prefix", "dataset/"),))),
            ("read", Ask("s3:GetObject", ground.object(f"dataset/{self.probe}"))),
            ("write", Ask("s3:PutObject", ground.object(self.home))),
        ]
        if "read own user" in IAM[self.role]:
            found.append(("read own user", Ask("iam:GetUser", ground.user(self.own.user))))
        return found

    def _object(self, place: str, attempt: Attempt, allowed: bool, asked: str, action: str = "") -> Cell:
        key = f"{place}{self.probe}"
        ask = Ask(asked, self.ground.object(key))
        return Cell(place, action or attempt, allowed, (ask,), attempt=attempt, bucket=self.ground.bucket, key=key)

    def _copy(self, place: str, allowed: bool) -> Cell:
        source = f"{place}{self.probe}"
        return Cell(
            place,
            "copy from it",
            allowed,
            (Ask("s3:GetObject", self.ground.object(source)), Ask("s3:PutObject", self.ground.object(self.home))),
            attempt="copy",
            bucket=self.ground.bucket,
            key=source,
            emulator=_COPY,
        )

    def _listing(
        self, place: str, action: str, allowed: bool, prefix: str, *, delimiter: str = "", bucket: str = ""
    ) -> Cell:
        context = [("s3:prefix", prefix), *([("s3:delimiter", delimiter)] if delimiter else [])]
        ask = Ask("s3:ListBucket", self.ground.in_s3(bucket or self.ground.bucket), tuple(context))
        blind = not allowed and not bucket
        return Cell(
            place,
            action,
            allowed,
            (ask,),
            attempt="list",
            bucket=bucket or self.ground.bucket,
            key=prefix,
            emulator=_CONDITION if blind else "",
        )

    def _versions(self) -> Cell:
        """A list of old versions, of all places or only of one's own."""
        folder, arn = self.home.removesuffix(self.probe), self.ground.in_s3(self.ground.bucket)
        asked = "s3:ListBucketVersions"
        return Cell(
            "the bucket",
            "list old versions",
            False,
            (Ask(asked, arn), Ask(asked, arn, (("s3:prefix", folder),))),
            any_of=True,
            attempt="list versions",
            bucket=self.ground.bucket,
            key=folder,
        )

    def _bucket(self, action: str, attempt: Attempt, allowed: bool, *asked: str) -> Cell:
        arn = self.ground.in_s3(self.ground.bucket)
        return Cell(
            "the bucket",
            action,
            allowed,
            tuple(Ask(each, arn) for each in asked),
            any_of=len(asked) > 1,
            attempt=attempt,
            bucket=self.ground.bucket,
        )
