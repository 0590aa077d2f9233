"""Evasion: how often a model is still right when somebody nudges its inputs."""

from typing import Any

from modelwarden.checks.evasion.question import Question
from modelwarden.checks.evasion.sieges import Sieges
from modelwarden.models import Predictor
from modelwarden.report import Findings
from modelwarden.store import File
from modelwarden.tables import Table
from modelwarden.work import Work


def evasion(
    model: Predictor,
    evaluation: Table,
    space: File | None = None,
    *,
    target: str,
    epsilon: float = 0.1,
    norm: str = "auto",
    rows: int = 300,
    queries: int = 400,
    distance_queries: int = 1000,
    nodes: int = 10_000,
    examples: int = 0,
    seed: int = 0,
    work: Work | None = None,
) -> Findings:
    r"""Attack a model with small perturbations, and prove what no perturbation can do.

    A row :math:`x` is broken when some :math:`x'` with a wrong prediction is found within
    :math:`\lVert (x' - x) / s \rVert \le \epsilon` that the space file allows; the scale
    :math:`s_j` of column :math:`j` is its interquartile range (its standard deviation where that is
    0) unless the file says otherwise. Robust accuracy is the share of rows that are right and not
    broken: an upper bound. Where the model is linear or made of trees, certified accuracy is the
    share of rows that are right and provably stay so: a lower bound. Every broken row was put to
    ``predict`` and to the rules once more.

    Parameters
    ----------
    model : Predictor
        The classifier; labels suffice, probabilities make the attack stronger.
    evaluation : Table
        Labelled rows that the model was not trained on. A single column of text is attacked word by
        word.
    space : File, optional
        What an attacker may change, see :class:`modelwarden.space.rules.Rules`; without it every
        number, within the range that the table shows, and nothing else.
    target : str
        Column of labels.
    epsilon : float, default=0.1
        Size of the perturbation, above 0: in units of each column's scale; a number of columns
        where `norm` is ``l0``; of a text the share of its words.
    norm : {"auto", "linf", "l2", "l1", "l0"}, default="auto"
        How changes of columns are joined; ``auto`` is ``l0`` for texts and ``linf`` for tables.
    rows : int, default=300
        Rows to attack, drawn in the table's shares of classes; all of them when there are fewer.
    queries : int, default=400
        Candidates per row and size of perturbation; confirming them costs about an eighth more.
        Single columns and pixels are all tried where that takes no more than 10,000 candidates.
    distance_queries : int, default=1000
        Candidates per row for the smallest change that breaks it; 0 leaves that out.
    nodes : int, default=10_000
        Steps of exact search per row and size; 0 proves nothing.
    examples : int, default=0
        Broken rows for the tables ``broken`` and ``pictures``: rows of data, so only on request.
    seed : int, default=0
        Seeds the draw of rows and every search.
    work : Work, optional
        Told after each step.

    Returns
    -------
    Findings
        Clean, robust and certified accuracy with 95 % intervals, and the smallest changes. The
        order of columns changes nothing.

    Raises
    ------
    InputError
        If options cannot be used, the table has labels that the model does not know, the space file
        does not fit the table, or nothing can move.
    """
    sieges = split(
        model,
        evaluation,
        space,
        target=target,
        epsilon=epsilon,
        norm=norm,
        rows=rows,
        queries=queries,
        distance_queries=distance_queries,
        nodes=nodes,
        examples=examples,
        seed=seed,
        work=work,
    )
    return sieges.join([*sieges.blocks(range(sieges.count))])


def split(
    model: Predictor,
    evaluation: Table,
    space: File | None = None,
    *,
    target: str,
    work: Work | None = None,
    **options: Any,
) -> Sieges:
    """Return the check cut into blocks of rows; it takes what :func:`evasion` takes."""
    return Sieges(model, evaluation, space, target, Question(**options), work or Work())
