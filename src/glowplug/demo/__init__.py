"""The main job, in front of a viewer: `python -m glowplug.demo`."""
