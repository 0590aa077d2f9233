"""Say in an error which argument it is about.

Whoever reads a task's log sees a path like ``/s3/bucket/v2/artifacts/1f3a/kept``, which the
orchestrator made up, but knows the arguments that they wrote.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from modelwarden.errors import ModelWardenError, Rejected

_P = ParamSpec("_P")
_T = TypeVar("_T")


def naming(job: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorate a job: its faults about a URI name the argument that the URI was given as.

    Of several arguments the longest URI counts, as an object is closer to a fault than its folder.
    A verdict stays as it is: its subject is the URI that was judged.
    """
    signature = inspect.signature(job)

    @wraps(job)
    def named(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return job(*args, **kwargs)
        except Rejected:
            raise
        except ModelWardenError as error:
            given = dict(_uris(signature.bind(*args, **kwargs).arguments))
            where = _where(error, given)
            error.where, error.args = where, (where, *error.args[1:])
            raise

    return named


def _uris(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the texts among arguments; those of a mapping under their own names."""
    for name, value in arguments.items():
        if isinstance(value, str):
            yield name, value
        elif isinstance(value, Mapping):
            yield from _uris(value)


def _where(error: ModelWardenError, given: Mapping[str, str]) -> str:
    bad = error.where == "URI"  # what is no URI at all is told by what came
    about = error.got.strip("'\"") if bad else error.where
    found = [name for name, uri in given.items() if uri and _is_about(about, uri)]
    if not found:
        return error.where
    longest = max(len(given[name]) for name in found)
    name = " or ".join(name for name in found if len(given[name]) == longest)
    return name if bad else f"{name} {error.where}"


def _is_about(text: str, uri: str) -> bool:
    """Tell whether a text is a URI, something below it, or something in it such as a column."""
    rest = text.removeprefix(uri)
    return text.startswith(uri) and not (rest[:1].isalnum() or rest[:1] in ("_", "-"))
