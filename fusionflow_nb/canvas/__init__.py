"""The canvas in a notebook: a thin widget around a flow that lives in this kernel.

messages.py      what a view may say, checked
conversation.py  what the kernel does about it, and what it tells all views
news.py          run events on their way to the views: coalesced, one message per 33 ms
planned.py       a plan as views show it
shown.py         what each node shows: results of runs, of earlier runs, of plans
addresses.py     where the browser finds bytes
widget.py        the anywidget
"""
