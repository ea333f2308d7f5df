"""The acceptance suite: black box, over HTTP, against any base URL.

It uses nothing of the application's code. SPEC numbers in the docstrings are those of the contract.
"""
