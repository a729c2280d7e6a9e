"""The contract as files: schemas/*.json and docs/reference/, generated from the code and checked against it."""
