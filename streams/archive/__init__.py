"""What was heard, kept for looking back: scored documents and alerts, found again by words and by meaning.

entries     pure: a scored record or an alert as it is kept, masked
store       what an archive must be able to do, whatever holds it
sqlite      the one that holds it in a file: what goes in
shelves     and what is asked of it
words       pure: what somebody typed, as a full-text expression that cannot be anything else
search      words and meaning together, ranked
command     ``tocsin search``
archivist   ``tocsin archive``: from the topics into the store, until stopped
"""
