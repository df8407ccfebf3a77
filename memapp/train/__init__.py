"""Training of the small weights that memapp ships. Needs `pip install "memapp[train]"`; nothing else imports it."""
