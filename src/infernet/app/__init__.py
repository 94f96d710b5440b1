"""The composition root: settings in, objects built and wired, things that run out."""
