"""What is spoken to see how far int8 is from float32: dialogue and narration, short and long, as takes have them.

Each text begins with a speaker's tag and ends with the tag of who would come next, and none has more than 300 bytes.
"""

from __future__ import annotations

# Scales are chosen on these, and measured on the others.
FOR_SCALES = (
    "[S1] Good evening, and welcome back to the harbour office. [S2] Thank you. It is colder than I remember. "
    "[S1] It always is in November. (laughs) Sit down, the kettle has just boiled. [S2] Only if you join me. "
    "[S1] Of course I do, I have been waiting for that since four o'clock. [S2]",
    "[S1] The parcel weighed three hundred and forty-two grams, and it cost nineteen dollars and seven cents to send "
    "it from Lisbon to Oslo on the twenty-first of March. [S2]",
    "[S1] Are you still there? [S2] (sighs) Yes. (clears throat) Yes, I am. Go on, I am listening. [S1]",
    "[S1] Nobody had opened the shutters of the upper floor for eleven years, and the dust lay on the furniture like "
    "the first snow of a long winter. She drew one finger through it, and wrote her name. [S2]",
)

FOR_ERRORS = (
    "[S1] No, wait! [S2] What is it? [S1] You left the gate open again! [S2] (gasps) The dog! [S1]",
    "[S1] Today we talk about tides: why there are two of them each day, why they are late, and why a lake has none "
    "that anybody would notice. [S2] And about what my grandmother believed, which was something else. "
    "[S1] We come to that. (chuckle) We come to that at the very end. [S2]",
    "[S1] Mix two cups of flour with half a teaspoon of salt, add the butter in small pieces, and let it rest for "
    "thirty minutes. [S2]",
    "[S1] I never said that. [S2] You did, on the stairs, and twice. [S1] Well, perhaps I did. (laughs) [S2]",
    "[S1] Chapter nine. The road to the quarry climbed between two walls of loose stone; after the second bend the sea "
    "came into view, grey, enormous, and without a single sail. Thomas stopped, put down the lamp, and counted slowly "
    "backwards from one hundred, as his father had taught him. [S2]",
    "[S1] Dr. Okafor, Prof. Lindqvist, Ms. Yamaguchi: thank you for coming to Reykjavik. [S2]",
    "[S1] (whistles) Look at the size of that thing! [S2] It is only a model. The real one is forty-eight metres high "
    "and weighs nine thousand tonnes. [S1] Only a model, she says. (coughs) [S2] Mind the paint. [S1]",
    "[S1] Sleep now. The wind has turned, the boats are in, and whatever it was that knocked is gone. [S2]",
)
