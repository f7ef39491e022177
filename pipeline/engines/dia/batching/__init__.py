"""Takes share the steps of the decoder: scheduling, sampling, the delay pattern, the text as tokens."""

MOST_SLOTS = 32  # on a CPU; memory may hold fewer
