"""The score stage without Kafka: a slab in, everything that has to be sent out.

dead_letters  a record that cannot be scored -> what goes to its dead-letter topic
bisect        finds the records on which scoring raises
serving       the release that scores, those kept beside it, when to go back
rollout       follows the registry's alias: trial, load, swap, roll back
slab          slab -> scored documents, observations, dead letters
"""
