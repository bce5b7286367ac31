"""The ``eiha`` command: check, explain, test, status, switchover.

Top of the house: may import everything, nothing imports it.
"""
