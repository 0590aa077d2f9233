"""Impact: what training rows do to a model, measured on trusted rows.

Every measure of single rows has one signature and one sign::

    measure(x, y, trusted_x, trusted_y, *, ...) -> array of shape (n_rows,)

`x` and `trusted_x` are float matrices, `y` and `trusted_y` class codes counted from 0. The impact
of a row is how much the trusted loss would rise if the row were left out: **positive rows help,
negative rows harm**. RONI, "reject on negative impact", is about the sign; how negative is too
negative is a question of calibration, which this package leaves to its callers. ``confirmation``
asks the same of many rows at once.
"""
