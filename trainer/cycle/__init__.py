"""The trainer as a process: what it hears, when it begins a cycle, and what becomes of it.

store     SQLite: samples, words of people, signals and the offsets they were read at; memory; cycles
mail      the three topics, from the offsets that the store knows
reasons   pure: whether a cycle is due, and why
choosing  pure: samples and words -> rows to learn, to judge by and to read
workshop  the program of a cycle's own process: learn, write a release, judge it
job       what a cycle's directory holds, and the process that works in it
metrics   what Prometheus is told
trainer   takes in what comes, begins cycles, looks after them, concludes them
process   the verb: until stopped, or once

Of streams this room knows settings, client options, hints and the health page besides the records: it is the edge at
which the trainer meets Kafka. Torch is imported in a cycle's own process alone.
"""
