"""Layers that the checker knows, each written as a graph, so that a backward with one mistake can be computed."""
