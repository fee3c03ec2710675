"""Whether a candidate may take the champion's place: every check with its figures, and why not where it may not.

statistics  paired tests over the same documents: bounds, exact tests, Holm's correction, sample sizes
items       labelled documents as questions with one answer each, and what a release says to them
checks      pure: what two releases said -> a check, held or failed, with figures
behaviour   small sets of texts whose right answer is known: negation, exchanged names, typos, lookalike letters
soundness   files, labels, weights and graph of the candidate by themselves; parity in a fresh process; latency
judge       the story: releases and labelled rows in, a verdict out
"""
