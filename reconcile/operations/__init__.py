"""Operations: one system x one stage of a case, worked through holding by holding.

``runner`` takes an operation off the queue, asks the gates once more, hands it to the module of
its step, and turns faults into decisions. Steps read first, write one holding at a time under a
fencing token, and believe nothing but the re-read (Law 1, Law 6).
"""
