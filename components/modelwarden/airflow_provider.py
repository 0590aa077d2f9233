"""What Airflow's provider manager reads, in every process: it imports nothing."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Describe the provider to ``airflow providers``."""
    return {
        "package-name": "modelwarden",
        "name": "ModelWarden",
        "description": "Security checks and a deployment gate for machine-learning pipelines.",
        "versions": ["0.1.0"],
        "integrations": [
            {
                "integration-name": "ModelWarden",
                "external-doc-url": "https://github.com/modelwarden/modelwarden",
                "tags": ["software"],
            }
        ],
        "operators": [
            {
                "integration-name": "ModelWarden",
                "python-modules": [
                    "modelwarden.airflow_operators",
                    "modelwarden.airflow_approval",
                    "modelwarden.airflow_shards",
                ],
            }
        ],
    }
