"""Query logs larger than memory: read by DuckDB into one schema, whatever wrote them.

Every format is one SELECT into the columns ``time`` (UTC), ``client``, ``address``, ``status``,
``queries`` (rows asked about), ``label`` and ``features``; a line that is none has no time, and is
counted.
"""
