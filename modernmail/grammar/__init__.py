"""What may stand where in a header and an envelope: pure functions, from text to its pieces or to what is wrong with it."""
