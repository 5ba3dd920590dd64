"""The whole on an emulator of AWS: the real functions, deployed, driven, disturbed, compared.

`python -m cloud` is the stage `cloud` of `cargo xtask ci`. What is deployed is data (`deployed`,
`permissions`); how it gets onto the emulator is `deploy`; what drives it is `mapping`; everything
else asks questions. Nothing here knows how a function works inside.
"""
