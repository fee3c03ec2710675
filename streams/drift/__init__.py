"""Is the stream still what the release knows? Detectors, pure: documents and their scores in, looks out.

senses     what each detector hears of a document
windows    means over the last documents against a baseline: the statistic
unrest     how much the means of a stream stray from one hour to the next: what is allowed them
tails      how high a statistic climbs by chance: the threshold
labels     whether the release errs more than it used to
feed       whether what is delivered is whole
listener   all detectors of one stream
joining    from documents and scores to what is heard
signals    what an alarm says to others
"""
