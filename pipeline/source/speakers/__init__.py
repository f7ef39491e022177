"""Who speaks: the forms of labels that people write, and which of them a text uses."""
