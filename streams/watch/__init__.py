"""Watch: from scored documents to alerts. Pure: state in, state out, time passed in.

Reading order: ``series`` (where a document counts), ``observations`` (what travels), ``windows`` (event
time), ``folding`` (copies count once), ``spikes`` (how rare), ``lifecycle`` (what becomes of an incident),
``evidence`` (why), and ``watcher``, which plays them together.
"""
