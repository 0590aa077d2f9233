"""What an attacker may change, and how far each row may go.

:class:`.rules.Rules` is what people write down; :class:`.table.Space` applies it to a table's rows,
:class:`.text.TextSpace` to texts. Both turn cells into coordinates, and give a :class:`.box.Box` of
them for each size of perturbation. Attacks see coordinates and boxes, never a table.
"""
