"""A later word on alerts: was it the world that moved, or the model, and which words does the model lean on?"""
