"""The one way through: a file per verb, each from URIs to evidence.

``check`` measures, ``trained`` ties a model to its data, ``gate`` decides, ``verify`` re-checks a
decision and everything under it, ``release`` publishes. Skins call these with strings and JSON.
"""
