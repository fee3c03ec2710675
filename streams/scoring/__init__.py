"""The score stage without Kafka: a slab in, everything that has to be sent out.

dead_letters  a record that cannot be scored -> what goes to its dead-letter topic
bisect        finds the records on which scoring raises
slab          slab -> scored documents, observations, dead letters
"""
