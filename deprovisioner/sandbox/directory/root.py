"""The two entries outside the tree: the root DSE and the subschema, for clients that ask what they
talk to.

Called by `session`. Both are readable without a bind, as on the real servers.
"""

from collections.abc import Hashable, Sequence

from deprovisioner.sandbox.directory import matching, protocol
from deprovisioner.sandbox.directory.dress import Manners

SUBSCHEMA = "cn=subschema"
Listed = list[tuple[str, tuple[bytes, ...]]]


class Outside:
    """An entry with fixed attributes, as a filter candidate and as an answer."""

    def __init__(self, name: str, manners: Manners, values: dict[str, Sequence[str]]) -> None:
        self.name = name
        self._manners = manners
        self._values = {k: tuple(v.encode() for v in vs) for k, vs in values.items() if vs}

    def normal(self, keys: frozenset[str]) -> frozenset[Hashable]:
        """See `filters.Candidate`."""
        forms: set[Hashable] = set()
        for name, values in self._values.items():
            kind = self._manners.schema.attribute(name)
            if kind is not None and kind.key in keys:
                forms |= {matching.normal(kind, value) for value in values}
        return frozenset(forms)

    def raw(self, keys: frozenset[str]) -> list[bytes]:
        """See `filters.Candidate`."""
        return [v for name, values in self._values.items() if name.lower() in keys for v in values]

    def listed(self, wanted: Sequence[str]) -> Listed:
        """Return what a request names; all but the object class is operational."""
        names = {name.lower() for name in wanted}
        return [
            (name, values)
            for name, values in self._values.items()
            if name.lower() in names
            or "+" in names
            or (name in {"objectClass", "cn"} and (not names or "*" in names))
        ]


def root_dse(manners: Manners, suffix: str, *, tls: bool) -> Outside:
    """Build the root DSE."""
    start_tls = (protocol.START_TLS,) if tls else ()
    return Outside(
        "",
        manners,
        {
            "objectClass": manners.root_classes,
            "namingContexts": (suffix,),
            "supportedControl": manners.controls,
            "supportedExtension": (protocol.PASSWORD_MODIFY, protocol.WHO_AM_I, *start_tls),
            "supportedFeatures": ("1.3.6.1.4.1.4203.1.5.1",),
            "supportedLDAPVersion": ("3",),
            "vendorName": (manners.vendor_name,) if manners.vendor_name else (),
            "vendorVersion": (manners.vendor_version,) if manners.vendor_version else (),
            "subschemaSubentry": ("cn=Subschema",),
        },
    )


def subschema(manners: Manners) -> Outside:
    """Build the subschema entry."""
    return Outside(
        "cn=Subschema",
        manners,
        {
            "objectClass": ("top", "subschema", "extensibleObject"),
            "cn": ("Subschema",),
            "attributeTypes": manners.schema.attribute_definitions(),
            "objectClasses": manners.schema.class_definitions(),
        },
    )
