"""Row E03: what an account did after a moment, from the sign-in log.

Called by the connector's ``activity``. The log is minutes behind, and needs a premium licence;
that nothing stands in it yet is no proof, a later read of it is evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph.generated.audit_logs.sign_ins.sign_ins_request_builder import SignInsRequestBuilder

from connectors.contract import Account, Activity, Credential, Page
from connectors.entra import sight
from connectors.entra.folding import quoted
from connectors.entra.graph import Graph
from connectors.entra.instants import instant
from connectors.entra.settings import Settings
from connectors.faults import Malformed


def activity(
    graph: Graph, settings: Settings, credential: Credential, account: Account, since: datetime
) -> Iterator[Page[Activity]]:
    """Page through sign-ins. Raises faults; 403 is a right (AuditLog.Read.All) that we lack."""
    known = graph.objects([sight.canary_user(graph, settings)])[0]
    canary = sight.canary_of(settings, known)
    text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    query = SignInsRequestBuilder.SignInsRequestBuilderGetQueryParameters(
        filter=f"userId eq {quoted(account.native_id)} and createdDateTime ge {text}",
        top=settings.page_size,
    )
    request = graph.client.audit_logs.sign_ins.to_get_request_information(
        RequestConfiguration(query_parameters=query)
    )
    for rows in graph.pages(request):
        found = []
        for row in rows:
            at = instant(row.get("createdDateTime"))
            if at is None:
                raise Malformed("a sign-in has no time", code="graph:sign-in")
            found.append(
                Activity(account.native_id, at, f"signed in to {row.get('appDisplayName') or '?'}")
            )
        if found:
            yield Page(tuple(found))
    yield Page((), sight.end(graph, credential, canary))
