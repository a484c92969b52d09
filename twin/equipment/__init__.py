"""The machines, one file each, all in the same order.

What it is (design fields), what state it has (`DTYPE`), what it shows (`TAGS`), how it can fail
(`FAULTS`), how it is put in place (`build`), how it behaves (`step`, `sense`).
"""
