"""Datasets as commands use them: downloads, features of pictures, and the folders that are the default."""
