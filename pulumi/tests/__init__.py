"""The real program, run without the Pulumi CLI: recorded for rules, deployed on an emulator."""
