"""Small writers of the formats that the intake reads, made from their descriptions: the tests' own files."""
