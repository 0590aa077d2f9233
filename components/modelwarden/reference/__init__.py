"""What data looked like when it was trusted: a profile and a sample, and tests against them.

`profile` is the file and what it says, `survey` makes it in one pass over any number of rows,
`contract` compares columns, `labels` labels, `copies` rows that repeat; `margins` tests one column
at a time, `crowds` looks for rows that stand too close together, `relations` for columns that move
together.
"""
