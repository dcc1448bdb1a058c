"""What goes wrong on the providers' side, a file a family; how often is decided elsewhere."""
