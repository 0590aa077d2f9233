"""Sessions of boto3 that read its descriptions of services once per process."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.loaders import Loader


def session(**options: Any) -> "Session":
    """Return a session of its own: settings and credentials as of now, descriptions shared.

    Each session of boto3 parses the descriptions again, which takes 0.1 s of CPU per client, and a
    job has two.

    Parameters
    ----------
    **options
        As :class:`boto3.session.Session` takes them.

    Raises
    ------
    botocore.exceptions.BotoCoreError
        If there is no such profile.
    """
    from boto3.session import Session
    from botocore.session import Session as Core

    core = Core(profile=options.get("profile_name"))
    core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
    return Session(botocore_session=core, **options)


@lru_cache
def _loader(data_path: str | None) -> "Loader":
    from botocore.loaders import create_loader

    return create_loader(data_path)
