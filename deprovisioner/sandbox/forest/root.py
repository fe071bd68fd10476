"""The root DSE of the pretend controller: what anybody may know of it.

Called by ``session``. ``tokenGroups`` here is of whoever asks (MS-ADTS 3.1.1.3.2.31).
"""

from collections.abc import Sequence

from deprovisioner.sandbox.directory import protocol
from deprovisioner.sandbox.forest import reading
from deprovisioner.sandbox.forest.domain import CONFIGURATION, HOST, ROOT, SCHEMA
from deprovisioner.sandbox.forest.identifiers import AUTHENTICATED, EVERYONE
from deprovisioner.sandbox.forest.store import Item, State

_SERVER = f"CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,{CONFIGURATION}"
_CONTROLS = (protocol.PAGING, *(f"1.2.840.113556.1.4.{n}" for n in (417, 801, 1339)))


def root_dse(state: State, who: Item | None, wanted: Sequence[str]) -> reading.Listed:
    """Return what a request names; everything but ``tokenGroups`` comes with ``*`` or ``+``."""
    names = {name.lower() for name in wanted}
    texts: dict[str, tuple[str, ...]] = {
        "objectClass": ("top",),
        "defaultNamingContext": (ROOT,),
        "rootDomainNamingContext": (ROOT,),
        "configurationNamingContext": (CONFIGURATION,),
        "schemaNamingContext": (SCHEMA,),
        "namingContexts": (ROOT, CONFIGURATION, SCHEMA),
        "dnsHostName": (HOST,),
        "serverName": (_SERVER,),
        "dsServiceName": (f"CN=NTDS Settings,{_SERVER}",),
        "isSynchronized": ("TRUE",),
        "isGlobalCatalogReady": ("TRUE",),
        "domainFunctionality": ("7",),
        "forestFunctionality": ("7",),
        "domainControllerFunctionality": ("7",),
        "supportedControl": _CONTROLS,
        "supportedLDAPVersion": ("3",),
        "supportedExtension": (protocol.START_TLS,),
        "supportedCapabilities": ("1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670"),
        "highestCommittedUSN": (str(10_000 + len(state.items)),),
        "vendorName": ("The sandbox of deprovisioner",),
    }
    everything = not names or bool(names & {"*", "+"})
    found = [
        (name, tuple(text.encode() for text in held))
        for name, held in texts.items()
        if everything or name.lower() in names
    ]
    if who is not None and "tokengroups" in names:
        own = [*who.values.get("objectsid", ()), *reading.tokens(state, who)]
        found.append(("tokenGroups", (*own, EVERYONE, AUTHENTICATED)))
    return found
