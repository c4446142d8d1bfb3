"""HDF5 files read safely: a digest of what we write, a look from another process at what others wrote.

models/ and data/ share this; the layers do not import it.
"""
