"""Language models in service: labels, text, releases, the registry, and the scorer. No torch, no broker.

Weights never live here: they are releases (``models.release``), found through a registry.
"""
