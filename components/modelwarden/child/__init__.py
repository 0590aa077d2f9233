"""What runs in a model's own process, and nowhere else.

:mod:`modelwarden.model_process` starts it as ``python -m modelwarden.child.main`` and speaks to it
in :mod:`modelwarden.model_messages`; nothing else of the package imports from here.

main
    takes away what a model does not need, loads it, and answers
formats, archive
    what a file is, by its content, and where in an archive the model lies
unpickling, skops_file
    scikit-learn's models, read by one allow-list
parts
    numbers that scikit-learn's compiled code would follow, checked
xgboost_file, lightgbm_file, onnx_file, ubjson
    formats that cannot execute, read and checked before their library sees them
xgboost_model, lightgbm_model, onnx_model, boosters
    the same as classifiers
structure, trees
    what a model is made of, as plain arrays
"""
