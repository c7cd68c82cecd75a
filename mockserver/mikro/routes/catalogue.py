"""The catalogue: GraphQL, and the few other paths of the server."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from mockserver.extras import extra
from mockserver.http.messages import JSON, Answer, Refused, Request
from mockserver.mikro.model.rows import Failed, Who
from mockserver.mikro.routes.operations import Operations
from mockserver.mikro.steps import Steps
from mockserver.mikro.wire.tokens import EXTRA

CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
)

PAGE = "text/html; charset=utf-8"


class CatalogueApi:
    """Answers requests like the catalogue.

    Parameters
    ----------
    operations : Operations
        What the root fields do.
    lock : lock
        Held while an operation is carried out.
    user_of : callable
        Returns who has sent a header ``Authorization``, or raises `Failed`.
    steps : Steps
        What fails.
    """

    def __init__(self, operations: Operations, lock: Any, user_of: Callable[[str | None], Who], steps: Steps) -> None:
        self._operations = operations
        self._lock = lock
        self._user_of = user_of
        self._steps = steps

    def answer(self, request: Request) -> Answer:
        """Return the answer to a request; refusals become answers, too."""
        path, method = request.path, request.method
        if path.startswith("/graphql"):
            return self._graphql(request)
        if path == "/ht":
            is_json = "application/json" in request.headers.get("Accept", "")
            return _text(json.dumps({"DatabaseBackend": "working"}), JSON) if is_json else _text("working", PAGE)
        if path == "/schema":
            return _text(schema_text(), "text/plain")
        if path == "/.well-known/fakts-challenge" and method in {"GET", "HEAD"}:
            return _text("Fakts Challenge Endpoint", PAGE)
        return _text("<h1>Not Found</h1>", PAGE, 404)

    def _graphql(self, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return Answer(headers=CORS)
        if request.method not in {"GET", "POST"}:
            return _text("GraphQL only supports GET and POST requests.", "text/plain", 405)
        try:
            given = _operation(request)
            found = self._executed(given, request)
        except Refused as refused:
            return _text(str(refused), "text/plain", 400, chunked=True)
        except Failed as failed:
            found = {"data": None, "errors": [{"message": str(failed)}]}
        return _text(json.dumps(found), JSON, chunked=True)

    def _executed(self, given: Mapping[str, Any], request: Request) -> dict[str, Any]:
        with extra("graphql-core", EXTRA):
            import graphql
        who = self._user_of(request.headers.get("Authorization"))
        text, name = given["query"], given.get("operationName")
        try:
            document = graphql.parse(text)
        except graphql.GraphQLError as error:
            return _failed([error.formatted])
        errors = graphql.validate(_schema(), document)
        if errors:
            return _failed([error.formatted for error in errors])
        chosen = _chosen(document, name)
        if chosen is None:
            return _failed([{"message": f'Unknown operation named "{name}".'}])
        if request.method == "GET" and chosen.operation.value == "mutation":
            raise Refused("mutations are not allowed when using GET")
        resolvers = _Resolvers(self._operations, self._steps, who)
        rest = [each for each in document.definitions if not isinstance(each, graphql.OperationDefinitionNode)]
        with self._lock:
            result = graphql.execute(
                _schema(),
                graphql.DocumentNode(definitions=(chosen, *rest), loc=document.loc),
                resolvers,
                variable_values=given.get("variables") or {},
                type_resolver=lambda value, *_: value["__typename"],
            )
        if resolvers.is_lost:
            raise ConnectionResetError("the answer of a step is lost")
        assert isinstance(result, graphql.ExecutionResult)
        if result.errors:
            return _failed([error.formatted for error in result.errors])
        return {"data": result.data}


class _Resolvers:
    """The root of one request: gives the root fields to the operations, as graphql-core asks for attributes."""

    def __init__(self, operations: Operations, steps: Steps, who: Who) -> None:
        self._operations = operations
        self._steps = steps
        self._who = who
        self.is_lost = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def resolve(_info: Any, input: Mapping[str, Any] | None = None, **given: Any) -> Any:  # noqa: A002 - its name
            step = self._steps.take(name)
            if step is not None and step.kind == "fail":
                raise Failed(step.message)
            result = self._operations.find(name)(self._who, **(input or {}), **given)
            if step is not None and step.kind == "break":
                raise Failed(step.message)
            self.is_lost = self.is_lost or (step is not None and step.kind == "lose")
            return result

        return resolve


@functools.cache
def schema_text() -> str:
    """Return the schema."""
    return resources.files("mockserver.mikro").joinpath("schema.graphql").read_text("utf-8")


@functools.cache
def _schema() -> Any:
    with extra("graphql-core", EXTRA):
        import graphql
    return graphql.build_schema(schema_text())


def _operation(request: Request) -> Mapping[str, Any]:
    """Return query, variables and name of the operation.

    Raises
    ------
    Refused
        If the request is none of GraphQL.
    """
    if request.method == "GET":
        query = dict(request.query)
        given: Any = {**query, "variables": json.loads(query.get("variables") or "{}")}
    else:
        if request.headers.get("Content-Type", "").partition(";")[0].strip() != JSON:
            raise Refused("Unsupported content type")
        try:
            given = json.loads(request.body.read())
        except ValueError:
            raise Refused("Unable to parse request body as JSON") from None
    if isinstance(given, list):
        raise Refused("Batching is not enabled")
    if not isinstance(given, dict) or not given.get("query"):
        raise Refused("No GraphQL query found in the request")
    return given


def _chosen(document: Any, name: str | None) -> Any:
    """Return the operation with a name, without one the first; None if there is none."""
    operations = [each for each in document.definitions if each.kind == "operation_definition"]
    if name is None:
        return operations[0]
    return next((each for each in operations if each.name is not None and each.name.value == name), None)


def _failed(errors: list[Any]) -> dict[str, Any]:
    return {"data": None, "errors": errors}


def _text(text: str, content_type: str, status: int = 200, *, chunked: bool = False) -> Answer:
    data = text.encode()
    return Answer(status, content_type, (data,), len(data), CORS, chunked=chunked)
