"""Suspicion: signs that a submitted row is not what trusted rows let one expect.

Each signal learns from trusted rows alone wherever it can, so that poison cannot teach it, and says
for every row how unusual it is among trusted rows: a conformal p-value. Shared by the checks that
look for poison.
"""
