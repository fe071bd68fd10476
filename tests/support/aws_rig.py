"""A furnished AWS for the conformance suite and the tests of rows: two accounts behind the double.

The leaver has one of everything in the first account; roles, buckets and keys of the second one
name them. Hands go past the double, straight to moto.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connectors.aws import Settings, open_connector
from connectors.aws.documents import digest
from connectors.conformance import Situation
from connectors.contract import Connector, Credential, Holding, Json, Subject
from connectors.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from tests.support.peers.moto import AwsDouble

HOME: Final = "111111111111"
OTHER: Final = "222222222222"
REGION: Final = "us-east-1"
CANARY: Final = "deprovisioner-canary"
READ_ONLY: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)


def held(value: str) -> Secret:
    return Secret.held(lambda: value, secrets.token_hex(4))


def certificate() -> str:
    """Make a certificate of nobody."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def hands(url: str, account: str, service: str, region: str = REGION) -> Any:
    """Make a client that acts in an account, past the connector."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
    base = {
        "endpoint_url": url,
        "region_name": region,
        "config": config,
    }
    keys = {"aws_access_key_id": "root", "aws_secret_access_key": "root"}
    if account:
        got = (
            _session()
            .client("sts", **base, **keys)
            .assume_role(RoleArn=f"arn:aws:iam::{account}:role/hands", RoleSessionName="hands")[
                "Credentials"
            ]
        )
        keys = {
            "aws_access_key_id": got["AccessKeyId"],
            "aws_secret_access_key": got["SecretAccessKey"],
            "aws_session_token": got["SessionToken"],
        }
    return _session().client(service, **base, **keys)


@cache
def _session() -> Any:
    return boto3.session.Session()


@dataclass
class AwsRig:
    """One leaver with a bit of everything, a successor, a colleague and the canaries."""

    double: AwsDouble
    more: Mapping[str, Any] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    subject = Subject(
        employment_id="E-1042",
        employee_number="001042",
        names=("Zhao Qingping",),
        logins=("qzhao",),
        emails=("qzhao@example.com",),
    )
    successor = Subject(employment_id="E-1043", employee_number="001043", logins=("lwei",))
    stranger = Subject(employment_id="E-9999", employee_number="009999", logins=("nobody",))
    unsupported: Mapping[Situation, str] = field(default_factory=dict)

    def furnish(self) -> None:
        """Put the people and their things there."""
        self.iam = hands(self.double.moto_url, HOME, "iam")
        self.other = hands(self.double.moto_url, OTHER, "iam")
        for login, number in (("qzhao", "001042"), ("lwei", "001043"), ("mchen", "1042")):
            tags = [
                {"Key": "employee-number", "Value": number},
                {"Key": "email", "Value": f"{login}@example.com"},
            ]
            made = self.iam.create_user(UserName=login, Path="/people/", Tags=tags)["User"]
            self.ids[login], self.arns[login] = made["UserId"], made["Arn"]
        for client in (self.iam, self.other):
            client.create_user(UserName=CANARY)
        self._credentials("qzhao")
        self.iam.create_access_key(UserName="mchen")
        for group, members in (
            ("engineers", ["qzhao", "lwei", "mchen"]),
            ("admins", ["qzhao"]),
        ):
            self.iam.create_group(GroupName=group)
            for one in members:
                self.iam.add_user_to_group(GroupName=group, UserName=one)
        policy = self.iam.create_policy(PolicyName="reading", PolicyDocument=READ_ONLY)["Policy"]
        for one in ("qzhao", "mchen"):
            self.iam.attach_user_policy(UserName=one, PolicyArn=policy["Arn"])
            self.iam.put_user_policy(UserName=one, PolicyName="own", PolicyDocument=READ_ONLY)
        self.reading = policy["Arn"]
        self._trusted()

    def bound(self) -> None:
        """Give the leaver a boundary. It waits for the group that has no other member, so the
        suite, which takes everything in one go, has none.
        """
        self.double.boundaries[HOME, "qzhao"] = self.reading

    def _credentials(self, login: str) -> None:
        iam = self.iam
        iam.create_login_profile(UserName=login, Password="a-Password-1")
        iam.create_access_key(UserName=login)
        iam.create_access_key(UserName=login)
        iam.upload_ssh_public_key(UserName=login, SSHPublicKeyBody=f"ssh-ed25519 AAAA{login} x")
        iam.upload_signing_certificate(UserName=login, CertificateBody=certificate())
        serial = iam.create_virtual_mfa_device(VirtualMFADeviceName=login)["VirtualMFADevice"]
        iam.enable_mfa_device(
            UserName=login,
            SerialNumber=serial["SerialNumber"],
            AuthenticationCode1="123456",
            AuthenticationCode2="654321",
        )
        self.double.services[HOME, login] = [
            {
                "UserName": login,
                "ServiceSpecificCredentialId": f"ACCA{login.upper():0<16}",
                "ServiceUserName": f"{login}-at-{HOME}",
                "ServiceName": "bedrock.amazonaws.com",
                "Status": "Active",
                "CreateDate": "2026-01-01T00:00:00Z",
            }
        ]

    def _trusted(self) -> None:
        people = [self.arns["qzhao"], self.arns["mchen"]]
        self.other.create_role(
            RoleName="deploy",
            AssumeRolePolicyDocument=json.dumps(trust(people)),
        )
        self.iam.create_role(
            RoleName="own", AssumeRolePolicyDocument=json.dumps(trust(self.arns["qzhao"]))
        )
        s3 = hands(self.double.moto_url, OTHER, "s3")
        s3.create_bucket(Bucket="releases")
        s3.put_bucket_policy(Bucket="releases", Policy=json.dumps(shared("releases", people)))
        sqs = hands(self.double.moto_url, HOME, "sqs")
        queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.set_queue_attributes(
            QueueUrl=queue, Attributes={"Policy": json.dumps(shared("orders", people[:1]))}
        )
        kms = hands(self.double.moto_url, HOME, "kms")
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.create_grant(
            KeyId=key, GranteePrincipal=self.arns["qzhao"], Operations=["Decrypt"], Name="g"
        )
        tags = [{"Key": "Owner", "Value": "qzhao"}]
        hands(self.double.moto_url, HOME, "s3").create_bucket(Bucket="notes")
        hands(self.double.moto_url, HOME, "s3").put_bucket_tagging(
            Bucket="notes", Tagging={"TagSet": tags}
        )

    # ------------------------------------------------------------------------------------ the rig
    def settings(self, **changes: Any) -> Settings:
        """What the operator would write for this world, through the double."""
        values = {
            "accounts": [HOME, OTHER],
            "act": {"role": "act", "access_key_id": "base", "secret_access_key": held("x")},
            "verify": {"role": "verify", "access_key_id": "base2", "secret_access_key": held("y")},
            "canary": CANARY,
            "guarded_groups": ["admins"],
            "endpoint_url": self.double.url,
            "lag": "PT0S",
            "settle": "PT0S",
            "read_timeout": "PT10S",
        }
        return Settings.model_validate({**values, **self.more, **changes})

    def connector(self, credential: Credential, *, page_size: int = 0) -> Connector:
        """Open one."""
        asked = {"page_size": page_size} if page_size else {}
        return open_connector("aws", self.settings(**asked), credential, self.now)

    def witness(self) -> Mapping[str, Json]:
        """Read the leaver's state in moto, without times."""
        return self._state(self.ids["qzhao"])

    def _state(self, user_id: str) -> dict[str, Json]:
        users = {one["UserId"]: one["UserName"] for one in self.iam.list_users()["Users"]}
        name = users.get(user_id)
        if name is None:
            return {"user": "absent"}
        iam = self.iam
        keys = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        ssh = iam.list_ssh_public_keys(UserName=name)["SSHPublicKeys"]
        bodies = [
            iam.get_ssh_public_key(
                UserName=name, SSHPublicKeyId=one["SSHPublicKeyId"], Encoding="SSH"
            )["SSHPublicKey"]
            for one in ssh
        ]
        certificates = iam.list_signing_certificates(UserName=name)["Certificates"]
        inline = iam.list_user_policies(UserName=name)["PolicyNames"]
        attached = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
        return {
            "keys": sorted([one["AccessKeyId"], one["Status"]] for one in keys),
            "ssh": sorted([one["SSHPublicKeyBody"], one["Status"]] for one in bodies),
            "certificates": sorted(
                [digest(one["CertificateBody"]), one["Status"]] for one in certificates
            ),
            "mfa": len(iam.list_mfa_devices(UserName=name)["MFADevices"]),
            "groups": sorted(
                g["GroupName"] for g in iam.list_groups_for_user(UserName=name)["Groups"]
            ),
            "inline": sorted(inline),
            "attached": sorted(one["PolicyArn"] for one in attached),
            "boundary": self.double.boundaries.get((HOME, name), ""),
            "services": [dict(one) for one in self.double.services.get((HOME, name), [])],
            "named": self._named(self.arns.get("qzhao", "")),
        }

    def _named(self, arn: str) -> list[str]:
        """Where the leaver's ARN stands in policies, and what hangs on roles."""
        found = []
        for client in (self.iam, self.other):
            for role in client.list_roles()["Roles"]:
                names = client.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
                found += [f"{role['RoleName']} {one}" for one in names]
                if arn in json.dumps(role["AssumeRolePolicyDocument"]):
                    found.append(role["RoleName"])
        s3 = hands(self.double.moto_url, OTHER, "s3")
        if arn in s3.get_bucket_policy(Bucket="releases")["Policy"]:
            found.append("releases")
        sqs = hands(self.double.moto_url, HOME, "sqs")
        queue = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        got = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])
        if arn in got.get("Attributes", {}).get("Policy", ""):
            found.append("orders")
        return found

    def bystanders(self) -> Mapping[str, Json]:
        """Read the colleague, the canaries, and who else is named."""
        trusted = self.other.get_role(RoleName="deploy")["Role"]["AssumeRolePolicyDocument"]
        policy = hands(self.double.moto_url, OTHER, "s3").get_bucket_policy(Bucket="releases")
        colleague = self._state(self.ids["mchen"])
        colleague.pop("named")
        newcomer = self.ids.get("newcomer")
        return {
            "mchen": colleague,
            "newcomer": {**self._state(newcomer), "named": []} if newcomer else {},
            "deploy": self.arns["mchen"] in json.dumps(trusted),
            "releases": self.arns["mchen"] in policy["Policy"],
            "canaries": [
                [one["UserName"] for one in client.list_users()["Users"] if CANARY in one["Arn"]]
                for client in (self.iam, self.other)
            ],
        }

    def vanish(self, holding: Holding) -> None:
        """Take it away as an administrator would."""
        name = "qzhao"
        if holding.kind == "credential.password":
            self.iam.delete_login_profile(UserName=name)
        elif holding.kind == "credential.access_key":
            self.iam.delete_access_key(UserName=name, AccessKeyId=holding.native_id)
        else:
            message = f"{holding.kind} is not taken away behind the connector's back"
            raise NotImplementedError(message)

    def rename(self) -> None:
        """Marry the leaver; the old login goes to a newcomer."""
        self.iam.update_user(UserName="qzhao", NewUserName="qsun")
        self.double.services[HOME, "qsun"] = self.double.services.pop((HOME, "qzhao"), [])
        boundary = self.double.boundaries.pop((HOME, "qzhao"), None)
        if boundary:
            self.double.boundaries[HOME, "qsun"] = boundary
        made = self.iam.create_user(UserName="qzhao", Path="/newcomers/")["User"]
        self.ids["newcomer"] = made["UserId"]
        self.iam.create_access_key(UserName="qzhao")

    def situation(self, situation: Situation) -> AbstractContextManager[None]:
        """Make the double do it."""
        return self.double.trouble(situation)

    def now(self) -> datetime:
        """Tell the machine's time."""
        return datetime.now(UTC)

    def pass_time(self, until: datetime) -> None:
        """Nothing here settles: reads are of memory."""


def trust(people: str | list[str]) -> dict[str, Any]:
    """A trust policy."""
    statement = {"Effect": "Allow", "Principal": {"AWS": people}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def shared(name: str, people: list[str]) -> dict[str, Any]:
    """A resource policy."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": people},
        "Action": "s3:GetObject" if name == "releases" else "sqs:SendMessage",
        "Resource": f"arn:aws:s3:::{name}/*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
