"""Calls of every command with bad input: files to call with, command lines, forked calls and what they may not do."""
