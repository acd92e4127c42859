"""The canvas in a notebook: a thin widget around a flow of this kernel.

widget.py           the anywidget
controller.py       handles messages of the views and broadcasts changes to all of them
messages.py         messages from a view, validated
wire.py             types of the messages to the views
requests.py         requests of views: tape, recipes, bytes, the file
uploads.py          files that the user drops on the canvas
event_batcher.py    batches run events: one message per 33 ms
run_stream.py       active runs as events for the views, also for views that connect later
plan_view.py        the plan as views show it
node_results.py     results that each node shows
environment.py      node types, models, filmstrip and budgets; catalog_payload.py and tape_payload.py convert them
asset_urls.py       signed URLs of assets
waveform_peaks.py   waveforms of sounds
autosave.py         writes the flow to its file
templates/          flows offered on the empty canvas
snapshot.py         the static picture for notebooks without a kernel; snapshot_layout.py, thumbnails.py
"""
