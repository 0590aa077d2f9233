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
                    "modelwarden.airflow_alerts",
                    "modelwarden.airflow_shards",
                ],
            }
        ],
        "extra-links": ["modelwarden.airflow_links.EvidenceLink"],
        "task-decorators": [
            {
                "name": "security_check",
                "class-name": "modelwarden.airflow_decorators.security_check",
            }
        ],
        "config": {
            "modelwarden": {
                "description": "Links from tasks to their evidence.",
                "options": {
                    "evidence_url": {
                        "description": "Address of an object of the evidence bucket in a browser.",
                        "version_added": "0.1.0",
                        "type": "string",
                        "example": "https://console.example.com/browser/{{bucket}}/{{key}}",
                        "default": "",
                    }
                },
            }
        },
        "notifications": ["modelwarden.airflow_notifier.SecurityAlertNotifier"],
    }
