"""The composition root: configuration, effect interpreter, lifecycle; ``python -m eiha.node``.

May import everything but ``cli`` and ``simulation``.
"""
