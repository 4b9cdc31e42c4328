"""How the page reader's network was made: drawn patches of ECG pages, worn, with a label for each pixel."""
