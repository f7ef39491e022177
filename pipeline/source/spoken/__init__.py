"""From the text that is shown to the words that are spoken."""
