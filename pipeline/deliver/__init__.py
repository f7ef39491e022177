"""Sound becomes files: chapters, masters, tags, transcripts."""
