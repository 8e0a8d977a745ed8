"""A local arena: voters compare blind pairs of model answers; Bradley-Terry statistics rank the models.

Voters are people, or a model as judge (LLM-as-a-judge).
"""
