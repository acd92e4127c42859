"""The canvas in a notebook: a thin widget around a flow that lives in this kernel.

messages.py      what a view may say, checked
conversation.py  what the kernel does about it, and what it tells all views
news.py          run events on their way to the views: coalesced, one message per 33 ms
planned.py       a plan as views show it
running.py       runs in the wire's words, also for a view that comes late
shown.py         what each node shows: results of runs, of earlier runs, of plans
answers.py       what views ask for: tape, recipes, bytes, the file
surroundings.py  what stands around the flow; facts.py and tape_facts.py put it into the wire's words
addresses.py     where the browser finds bytes
loudness.py      the wave of a sound
autosave.py      the flow's file
templates.py     flows to begin with; grain.py is the Python node of one
snapshot.py      the still picture for notebooks without a kernel; still_layout.py, small_pictures.py
widget.py        the anywidget
"""
