"""Delivery: every input record ends as exactly one of scored or dead-lettered, however often things fail.

slabs       what one fetch brought of one partition: the unit of work
ledger      pure: what was delivered, in order, and how far it may be committed
clock       pure: how late it is on a source partition
fetching    the thread that fetches, cutting slabs
transport   Faust's consumer with slabs instead of messages
outputs     acknowledged sends
lanes       per partition: compute ahead, send in order, acknowledge in order
journal     which slab was in hand when the process died, kept on disk
snapshots   the watchers' state, in a topic or a directory
sparing     a log that an absent broker does not fill
watchdog    ends a process that no longer makes progress
"""
