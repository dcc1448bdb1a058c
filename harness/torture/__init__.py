"""Looking for a conversation that breaks the books: what is tried, where it was struck, and the
least of it that still breaks; nothing here plays one."""
