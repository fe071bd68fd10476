"""What only Samba's own Python can do: extend a schema offline, and pack security descriptors.

A program of its own for Debian's interpreter, started by ``samba`` and ``samba_descriptors``:
nothing of the project is importable there. Descriptors are packed by Samba's code on purpose, so
that tests compare our parser with somebody else's writer.
"""

import base64
import json
import sys
import uuid
from typing import Any

import ldb  # type: ignore[import-not-found]
from samba.auth import system_session  # type: ignore[import-not-found]
from samba.dcerpc import security  # type: ignore[import-not-found]
from samba.ndr import ndr_pack, ndr_unpack  # type: ignore[import-not-found]
from samba.param import LoadParm  # type: ignore[import-not-found]
from samba.samdb import SamDB  # type: ignore[import-not-found]

RECYCLE_BIN = "766ddcd8-acd0-445e-f3b9-a7f9b6744f2a"
_RULES = "nTSecurityDescriptor"
_DN_WITH_BINARY = bytes.fromhex("2a864886f7140101010b")
_DN = bytes.fromhex("2b0c0287731c00854a")


def prepare(configuration: str, database: str) -> None:
    """Switch the recycle bin on; add what Samba's schema of 2012 R2 lacks and a survey reads."""
    loaded = LoadParm()
    loaded.load(configuration)
    loaded.set("dsdb:schema update allowed", "yes")
    directory = SamDB(url=database, lp=loaded, session_info=system_session())
    root = str(directory.domain_dn())
    switch = ldb.Message()
    switch.dn = ldb.Dn(directory, "")
    feature = f"CN=Partitions,CN=Configuration,{root}:{RECYCLE_BIN}"
    switch["enableOptionalFeature"] = ldb.MessageElement(
        feature, ldb.FLAG_MOD_ADD, "enableOptionalFeature"
    )
    directory.modify(switch)
    for attribute in _attributes(root):
        directory.add(attribute)
    directory.set_schema_update_now()
    directory.modify_ldif(
        f"dn: CN=User,CN=Schema,CN=Configuration,{root}\nchangetype: modify\nadd: mayContain\n"
        "mayContain: msDS-KeyCredentialLink\nmayContain: msDS-KeyCredentialLink-BL\n"
        "mayContain: sshPublicKey\n"
    )
    # Samba 4.17 lets no administrator write what Windows lets them write.
    directory.modify_ldif(
        f"dn: CN=ms-DS-Allowed-To-Act-On-Behalf-Of-Other-Identity,CN=Schema,CN=Configuration,{root}"
        "\nchangetype: modify\nreplace: systemOnly\nsystemOnly: FALSE\n"
    )
    _take_ownership(directory, f"CN=Deleted Objects,{root}")


def _take_ownership(directory: Any, name: str) -> None:
    """As `dsacls NAME /takeownership` does on Windows; samba-tool does not see deleted objects."""
    controls = ["show_deleted:1"]
    (found,) = directory.search(name, ldb.SCOPE_BASE, attrs=[_RULES], controls=controls)
    whole = ndr_unpack(security.descriptor, found[_RULES][0])
    sid = f"{directory.get_domain_sid()}-{security.DOMAIN_RID_ADMINS}"
    whole.owner_sid = security.dom_sid(sid)
    change = ldb.Message()
    change.dn = ldb.Dn(directory, name)
    change[_RULES] = ldb.MessageElement(ndr_pack(whole), ldb.FLAG_MOD_REPLACE, _RULES)
    directory.modify(change, controls=controls)


def _attributes(root: str) -> list[dict[str, Any]]:
    """MS-ADA2 for the first two; the third as openssh-lpk defines it."""

    def one(
        name: str, number: str, syntax: str, kind: str, guid: str, **more: Any
    ) -> dict[str, Any]:
        return {
            "dn": f"CN={name},CN=Schema,CN=Configuration,{root}",
            "objectClass": "attributeSchema",
            "lDAPDisplayName": name,
            "attributeID": number,
            "attributeSyntax": syntax,
            "oMSyntax": kind,
            "isSingleValued": "FALSE",
            "searchFlags": "0",
            "schemaIDGUID": uuid.UUID(guid).bytes_le,
        } | more

    return [
        one(
            "msDS-KeyCredentialLink", "1.2.840.113556.1.4.2328", "2.5.5.7", "127",
            "5b47d60f-6090-40b2-9f37-2a4de88f3063", oMObjectClass=_DN_WITH_BINARY, linkID="2220",
        ),
        one(
            "msDS-KeyCredentialLink-BL", "1.2.840.113556.1.4.2329", "2.5.5.1", "127",
            "938ad788-225f-4eee-93b9-ad24a159e1db", oMObjectClass=_DN, linkID="2221",
            systemOnly="TRUE",
        ),
        one(
            "sshPublicKey", "1.3.6.1.4.1.24552.500.1.1.1.13", "2.5.5.10", "4",
            "f0b1c7e2-9a1e-4a0e-8a55-3b2f5d8c9e01",
        ),
    ]  # fmt: skip


def privilege(database: str, sid: str, name: str) -> None:
    """Give an account a user right on this controller, as `net rpc rights grant` does."""
    rights = ldb.Ldb(f"tdb://{database}")
    rights.add(
        {
            "dn": f"sid={sid}",
            "objectClass": "privilege",
            "objectSid": ndr_pack(security.dom_sid(sid)),
            "privilege": name,
        }
    )


def descriptors(domain_sid: str) -> None:
    """For each request of standard input pack SDDL, or add its entries to a packed descriptor."""
    domain = security.dom_sid(domain_sid)
    packed = []
    for request in json.load(sys.stdin):
        said = security.descriptor.from_sddl(request["sddl"], domain)
        if request["onto"]:
            whole = ndr_unpack(security.descriptor, base64.b64decode(request["onto"]))
            for entry in said.dacl.aces:
                whole.dacl_add(entry, 0)  # a denial behind a permission denies nothing
            said = whole
        packed.append(base64.b64encode(ndr_pack(said)).decode())
    json.dump(packed, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(*sys.argv[2:])
    elif sys.argv[1] == "privilege":
        privilege(*sys.argv[2:])
    else:
        descriptors(sys.argv[2])
