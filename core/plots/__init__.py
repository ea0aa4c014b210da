"""Tables to Plotly figures and pictures, with the words for those who cannot see them."""
