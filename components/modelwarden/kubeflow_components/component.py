"""The decorator of all components: which image, and what is installed where there is none."""

import os
from collections.abc import Callable
from typing import Any

from kfp import dsl

from modelwarden import __version__

IMAGE = os.environ.get("MODELWARDEN_IMAGE", "")


def component(extra: str = "checks") -> Callable[[Callable[..., Any]], Any]:
    """Return kfp's decorator with our image, or with pip and the extra that a check needs."""
    decorate: Callable[[Callable[..., Any]], Any] = dsl.component(
        base_image=IMAGE or "python:3.11-slim",
        packages_to_install=None if IMAGE else [f"modelwarden[{extra}]=={__version__}"],
        install_kfp_package=not IMAGE,
    )
    return decorate
