"""Mail merge from a CSV file: the table, the template, the state of a run, and what it shows."""
