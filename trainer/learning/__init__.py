"""Continual learning: from new labels to a candidate that has forgotten nothing.

replay   a bounded memory of labelled rows, balanced over domains and classes, with what the champion said of them
update   one update: fresh adapter, replay, distillation, fold
taking   how much of an update is taken: what helps on held-back rows and spoils no text that is to be spared
"""
