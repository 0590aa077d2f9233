"""What a check tells OpenLineage: that a table or model was held to a check, and how that ended."""

from collections.abc import Mapping
from typing import Any

from modelwarden.cards import Card
from modelwarden.report import Json


def assertion(result: Mapping[str, Json]) -> dict[str, Json]:
    """Return a check's result as a member of OpenLineage's DataQualityAssertionsDatasetFacet."""
    severity = "warn" if result["severity"] == "warn" else "error"
    return {
        "assertion": f"modelwarden.{result['check']}",
        "success": bool(result["success"]),
        "severity": severity,
    }


def lineage(known: Card, read: Mapping[str, str], result: Mapping[str, Json] | None) -> Any:
    """Return an ``OperatorLineage``, or None without the openlineage provider or without a result.

    Parameters
    ----------
    known : Card
        The check's card; the first input carries the assertion.
    read : mapping of str to str
        URIs of the inputs.
    result : mapping, optional
        What the task pushed; None if it failed before.
    """
    try:
        from airflow.providers.openlineage.extractors import OperatorLineage
        from openlineage.client.event_v2 import Dataset
        from openlineage.client.facet_v2 import data_quality_assertions_dataset as quality
    except ImportError:
        return None
    if result is None:
        return OperatorLineage()
    said = quality.Assertion(**_known_to(quality.Assertion, assertion(result)))
    facet = quality.DataQualityAssertionsDatasetFacet(assertions=[said])
    inputs = []
    for name, uri in read.items():
        place = dataset(str(uri))
        facets = {"dataQualityAssertions": facet} if name == known.subject else {}
        if place:
            inputs.append(Dataset(*place, facets=facets))
    written = [*result["tables"].values(), result["evidence"]]
    outputs = [Dataset(*place) for place in map(dataset, written) if place]
    return OperatorLineage(inputs=inputs, outputs=outputs)


def dataset(uri: str) -> tuple[str, str] | None:
    """Return namespace and name of what lies at a URI, as OpenLineage names them."""
    scheme, found, rest = uri.partition("://")
    if not found:
        return ("file", uri) if uri.startswith("/") else None
    bucket, _, key = rest.partition("/")
    if scheme == "file":
        return "file", f"/{key}"
    return (f"{scheme}://{bucket}", key) if bucket and key else None


def _known_to(kind: Any, values: Mapping[str, Json]) -> dict[str, Json]:
    """Leave out what an older client does not know, such as a severity."""
    fields = {field.name for field in kind.__attrs_attrs__}
    return {name: value for name, value in values.items() if name in fields}
