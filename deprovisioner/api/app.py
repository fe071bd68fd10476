"""Builds the application, and the OpenAPI document that says truly what it answers."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from deprovisioner import api
from deprovisioner.api import accounts, administration, cases, inbox, problems, terminations
from deprovisioner.api.boundary import BODY_SECONDS, Boundary
from deprovisioner.intake.canonical import CloudEvent
from deprovisioner.wiring import House

VERSION: Final = "1"
_SIGNATURES: Final[dict[str, Any]] = {
    "type": "apiKey",
    "in": "header",
    "name": "webhook-signature",
    "description": "Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature (v1).",
}


def make_app(house: House, *, body_seconds: float = BODY_SECONDS) -> FastAPI:
    """Make the application that serves one house."""
    app = FastAPI(
        title="deprovisioner",
        version=VERSION,
        description=(api.__doc__ or "").partition("\n")[0],
        docs_url=None,  # both would load scripts from another host
        redoc_url=None,
        openapi_url="/openapi.json",
        # A sender that follows a redirect may turn its POST into a GET, and nothing is taken in.
        redirect_slashes=False,
    )
    app.state.house = house
    problems.install(app)
    for part in (terminations, inbox, accounts, cases, administration):
        app.include_router(part.router)
    app.add_middleware(Boundary, seconds=body_seconds)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's documented hook
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, schemas = models_json_schema(
            [(CloudEvent, "validation"), (problems.Problem, "serialization")],
            ref_template="#/components/schemas/{model}",
        )
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(schemas["$defs"])
        components.setdefault("securitySchemes", {})["StandardWebhooks"] = _SIGNATURES
        app.openapi_schema = document
    return app.openapi_schema
