"""Suspicion: signs that a submitted row is not what trusted rows let one expect.

Three questions, each blind where another sees:

- ``conflict`` (A): does a model of trusted rows alone contradict the label? Poison cannot teach it.
- ``novelty`` (B): can a forest tell the row from trusted ones? Finds triggers, whatever the label.
- ``disagreement`` (C): do the other submitted rows contradict the label? They are many and know
  more, but attackers wrote some of them: they speak after A and B have removed the worst.

``noise`` turns forecasts into the probability that a label is wrong, ``triggers`` and ``patterns``
name values, of one column and of several, on which suspicion concentrates, ``calibration`` says
what a score means, measured on trusted rows that took part like submitted ones. ``judgement`` puts
them together.

Whether there is a trigger at all is another question, for the same candidates: ``expectation`` says
which labels rows should have, ``steering`` weighs values by it, ``new_columns`` those that trusted
rows do not know, and ``stamping`` asks a model what it does when it meets them.
"""
