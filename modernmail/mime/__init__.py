"""A message as wire bytes: headers folded, bodies encoded, parts nested, all by us."""
