"""Boxes around rows, and functions as models, for tests of attacks."""

from dataclasses import replace

import numpy as np

from modelwarden.attacks.engine import Victim
from modelwarden.space.box import Box


def around(x, epsilon=np.inf, *, limit=10.0, step=0.0, unit=1.0, codes=0, **options):
    """A box of `epsilon` units around rows, within plus and minus `limit`."""
    x = np.asarray(x, float)
    n_columns = x.shape[1]
    reach = np.inf if options.get("norm") == "l0" else epsilon  # there it counts columns
    step, unit = np.broadcast_to(step, n_columns), np.broadcast_to(unit, n_columns)
    codes = np.broadcast_to(codes, n_columns)
    low = np.minimum(x, np.maximum(x - reach * unit, -limit))
    high = np.maximum(x, np.minimum(x + reach * unit, limit))
    steps = np.where(step > 0, step, 1.0)
    low = np.where(step > 0, x - np.floor((x - low) / steps + 1e-9) * steps, low)
    high = np.where(step > 0, x + np.floor((high - x) / steps + 1e-9) * steps, high)
    low, high = np.where(codes > 0, 0, low), np.where(codes > 0, np.maximum(codes - 1, x), high)
    options = {"radius": epsilon, "group": np.arange(n_columns), **options}
    return Box(
        origin=x,
        low=np.where(np.isnan(x), np.nan, low),
        high=np.where(np.isnan(x), np.nan, high),
        step=np.array(step, float),
        unit=np.where(codes > 0, np.inf, unit).astype(float),
        codes=np.array(codes, np.intp),
        **options,
    )


def held(box, columns):
    """The same box with columns that nobody can change."""
    low, high = box.low.copy(), box.high.copy()
    low[:, columns] = high[:, columns] = box.origin[:, columns]
    return replace(box, low=low, high=high)


def bounded(box, low, high):
    """The same box with other bounds."""
    low, high = (np.broadcast_to(side, box.low.shape).astype(float) for side in (low, high))
    return replace(box, low=low, high=high)


def victim_of(labels, truth, proba=None, kind=Victim):
    """A victim whose model is a function, or two, of an array."""
    score = None if proba is None else lambda candidates: proba(candidates.values)
    return kind(
        np.asarray(truth, np.intp),
        lambda candidates: np.asarray(labels(candidates.values), np.intp),
        score,
    )


class Plane:
    """A linear model of two classes whose closed form is known."""

    def __init__(self, weights, constant=0.0):
        self.weights, self.constant = np.asarray(weights, float), constant

    def margin(self, x):
        return np.nan_to_num(x) @ self.weights + self.constant

    def labels(self, x):
        return (self.margin(x) > 0).astype(np.intp)

    def proba(self, x):
        positive = 1 / (1 + np.exp(-self.margin(x)))
        return np.stack([1 - positive, positive], axis=1)
