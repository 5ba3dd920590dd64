"""Deploys the program onto an emulator of AWS: each resource is made through boto3, by a handler of
its type. A type without a handler fails the run, and so does what AWS would refuse and the emulator
takes: a notification without permission, a mapping whose role cannot read its source.
"""
