"""Theft: how well a copy of a model does that was fitted on the model's own answers.

`rows` are what a thief knows and asks about, `copies` what is fitted on the answers, `hauls` how
the questions are chosen.
"""
