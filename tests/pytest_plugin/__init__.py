"""The plugin in sessions of their own, as users have them."""
