"""Impact: what training rows do to a model, measured on trusted rows.

Every measure of single rows has one signature and one sign::

    measure(x, y, trusted_x, trusted_y, *, ...) -> array of shape (n_rows,)

`x` and `trusted_x` are float matrices, `y` and `trusted_y` class codes counted from 0; with
``retraining``, whatever the estimator takes. **Positive rows help, negative rows harm**, always:
the impact of a row is how much worse the model would be on trusted rows without it. RONI, "reject
on negative impact", is about the sign; how negative is too negative is a question of calibration,
which this package leaves to its callers.

==============  =================================================  =========================
module          measure                                            it is
==============  =================================================  =========================
``ridge``       leave one out of all rows, or add one to base rows  exact; streams
``logistic``    leave one out                                      one Newton step
``neighbours``  Shapley value for k nearest neighbours             exact
``forest``      out-of-bag vote on the row's own label (Data-OOB)  an estimate, by seed
``retraining``  any estimator: leave one out, or random subsets    the definition; estimates
==============  =================================================  =========================

``groups`` asks who: contributors in place of rows. ``confirmation`` asks whether a model is better
without many rows at once, and ``trial`` trains the models that answer. ``subsets`` values the
players of any game; ``quadratic``, ``accuracy`` and ``blocks`` are what the others are made of.
"""
