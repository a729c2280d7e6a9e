"""Bios, attacks and relevance judgements, labelled by hand; labels.md says how."""
