"""Campaigns against the project's promises: each attacks one of them at random and counts what broke."""
