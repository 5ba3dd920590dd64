"""The whole on an emulator of AWS: the real functions, deployed, driven, disturbed, compared.

`python -m cloud` is the stage `cloud` of `cargo xtask ci`. What is deployed is what the Pulumi
program asks for, and nothing here describes it again: `stack` deploys it and reads its outputs;
what drives it is `mapping`; everything else asks questions. Nothing here knows how a function works
inside.
"""
