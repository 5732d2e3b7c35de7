"""How the record's tables came to be, version after version."""
