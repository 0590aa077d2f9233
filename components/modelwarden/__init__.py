"""ModelWarden: security checks that slot into training pipelines and decide what may be deployed.

A check turns data into a Report. A policy turns Reports into a Decision. Evidence is a signed
statement about both. Nothing is deployed without evidence.

The house has five floors; imports only go down:

5. ``airflow_operators``, ``kubeflow_components``, ``cli``: skins that assign, call, translate
4. ``jobs/``: one file per verb, the one way through: URIs in, evidence out
3. ``checks/``, ``policy``, ``evidence``, ``alerts/``, ``page``: one idea each; they never import
   each other
2. ``store``, ``tables``, ``models``, ``signing``: the only I/O; ``attacks/``, ``impact/``,
   ``suspicion/``, ``logs/``: the algorithms that checks are made of
1. ``report``, ``cards``, ``catalogue/``, ``work``, ``errors``: plain data, standard library only

Data flows one way::

    s3://... --store--> bytes --tables, models--> Table, Predictor --check--> Report
        --evidence--> signed statement --policy--> Decision --evidence--> signed decision
        --store--> s3://...

To add a check, write ``checks/<risk>.py`` with one function of that name and put its card into
``catalogue/``; the test-suite then asks for its operator and its component.
"""

__version__ = "0.1.0"
