"""Conversations: turns by what was said, by whom, when, and in answer to what."""
