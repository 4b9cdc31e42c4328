"""Pages that are drawn and spoiled, with the truth of everything on them, and the judgement of what intake reads."""
