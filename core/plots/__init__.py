"""Tables to Plotly figures and pictures, with the words for those who cannot see them.

Everywhere `names` are what contenders are called and `look` is how they are drawn, both by id; `finding` or `said` is
the sentence that goes with a chart. Differences are those of the contender `second` from `first`.
"""
