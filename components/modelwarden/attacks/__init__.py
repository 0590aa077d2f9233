"""Attacks: how little must change before a model errs.

An attack proposes candidate rows and learns from the model's answers; :mod:`.engine` asks the model
about the candidates of all rows and all attacks in one call a step. To add an attack, write a
function that returns an :data:`.engine.Attack`; no attack ever calls a model itself.
"""
