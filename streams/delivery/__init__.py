"""Delivery: every input record ends as exactly one of scored or dead-lettered, however often things fail.

slabs       what one fetch brought of one partition: the unit of work
ledger      pure: what was delivered, in order, and how far it may be committed
clock       pure: how late it is on a source partition
transport   Faust's consumer with slabs instead of messages
outputs     acknowledged sends
lanes       per partition: compute ahead, send in order, acknowledge in order
journal     which slab was in hand when the process died, kept on disk
watchdog    ends a process that no longer makes progress
"""
