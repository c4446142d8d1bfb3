"""Pages and figures: the report of a run, a page of captioned photos, plots."""
