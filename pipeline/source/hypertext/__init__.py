"""How HTML is read, whoever made it: its elements, what of them is not read aloud, and the blocks of their text."""
