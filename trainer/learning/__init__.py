"""Continual learning: from new labels to a candidate that has forgotten nothing.

replay   a bounded memory of labelled rows, balanced over domains and classes, with what the champion said of them
update   one update: fresh adapter, replay, distillation, fold, and the way back towards the champion
"""
